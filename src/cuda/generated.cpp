#include "cuda/generated.h"

#include <algorithm>

#include "base/error.h"
#include "cuda/single.h"
#include "cuda/stream.h"

namespace octet::cuda {
namespace {

using runtime::KernelArgs;
using runtime::KernelChoice;
using runtime::Operand;

/// Up to so many elements an operand's offsets are counted in 32 bits, steps behind the end
/// included.
constexpr double kMaxNarrowCount = 1 << 30;
/// Blocks of a launch for each multiprocessor.
constexpr int64_t kBlocksPerProcessor = 16;

double largest_size(const NodeSite& site, const std::string& symbol);

double largest_count(const NodeSite& site, const Dims& dims) {
  double count = 1;
  for (const Dim& dim : dims) {
    count *= dim.is_symbolic() ? largest_size(site, dim.symbol()) : static_cast<double>(dim.size());
  }
  return count;
}

/// Packed rows: every input id may be one.
double largest_size(const NodeSite& site, const std::string& symbol) {
  const auto found = site.symbols.find(symbol);
  if (found != site.symbols.end()) return static_cast<double>(found->second.max);
  double rows = 1;
  for (const ValueId input : site.graph.inputs()) {
    rows *= largest_count(site, site.graph.value(input).dims);
  }
  return rows;
}

bool is_narrow(const NodeSite& site) {
  const auto fits = [&](ValueId id) {
    return id == kNoValue || largest_count(site, site.graph.value(id).dims) <= kMaxNarrowCount;
  };
  return std::ranges::all_of(site.node.inputs, fits) &&
         std::ranges::all_of(site.node.outputs, fits);
}

class GenericKernel final : public runtime::Kernel {
 public:
  GenericKernel(const Device& device, const Graph& graph, const Node& node,
                const KernelChoice& choice, GenericLaunch launch)
      : function_(only_function(device, choice, launch.entry)),
        places_(symbols_of(graph, node)),
        launch_(std::move(launch)),
        most_blocks_(device.properties().multiprocessors * kBlocksPerProcessor) {}

  void run(const KernelArgs& args) const override {
    std::array<const void*, kMaxOperands> operands{};
    size_t filled = 0;
    for (const Operand& input : args.inputs) operands.at(filled++) = input.data;
    for (const Operand& output : args.outputs) operands.at(filled++) = output.data;
    for (const Tensor& tensor : launch_.held) operands.at(filled++) = tensor.bytes().data();
    std::array<int64_t, kMaxSymbols> sizes{};
    for (size_t i = 0; i < places_.size(); ++i) sizes.at(i) = size_at(args, places_[i]);
    const int64_t blocks = launch_.blocks(std::span(sizes).first(places_.size()));
    if (blocks == 0) return;
    auto arguments = parameters(operands, sizes);
    function_.launch(
        handle_of(args.stream),
        {.grid = static_cast<unsigned>(std::min(blocks, most_blocks_)), .block = launch_.threads},
        arguments);
  }

 private:
  static int64_t size_at(const KernelArgs& args, const SymbolPlace& place) {
    const size_t inputs = args.inputs.size();
    const Operand& operand =
        place.operand < inputs ? args.inputs[place.operand] : args.outputs[place.operand - inputs];
    return operand.extent(place.axis);
  }

  Function function_;
  std::vector<SymbolPlace> places_;
  GenericLaunch launch_;
  int64_t most_blocks_;
};

}  // namespace

Refusal refuse_generic(const Graph& graph, const Node& node) {
  const size_t operands = node.inputs.size() + node.outputs.size();
  if (operands >= kMaxOperands) {
    return fmt::format("{} operands are more than {}", operands, kMaxOperands - 1);
  }
  const size_t symbols = symbols_of(graph, node).size();
  if (symbols <= kMaxSymbols) return std::nullopt;
  return fmt::format("its operands' extents have {} symbols, more than {}", symbols, kMaxSymbols);
}

KernelSource generic_source(const NodeSite& site, const std::string& file, const std::string& entry,
                            Defines defines, size_t held) {
  const size_t operands = site.node.inputs.size() + site.node.outputs.size() + held;
  const size_t symbols = symbols_of(site.graph, site.node).size();
  defines.emplace_back("INDEX", is_narrow(site) ? "int32_t" : "int64_t");
  defines.emplace_back("OPERANDS", std::to_string(operands));
  defines.emplace_back("SYMBOLS", std::to_string(std::max<size_t>(symbols, 1)));
  return {file, entry, std::move(defines), "", true};
}

std::string element_name(DType dtype) {
  if (dtype == DType::i64) return "int64_t";
  if (dtype == DType::i32) return "int32_t";
  if (dtype == DType::boolean) return "boolean";
  return text_name(dtype);
}

std::string element_text(size_t operand, const std::string& type, const std::string& offset) {
  return fmt::format("ELEMENT({}, {}, {})", type, operand, offset);
}

std::string wide_text(const Graph& graph, const Node& node, size_t input,
                      const std::string& offset) {
  const DType dtype = graph.value(node.inputs.at(input)).dtype;
  return fmt::format("wide({})", element_text(input, element_name(dtype), offset));
}

Count count_of(const std::vector<SymbolPlace>& places, const Dims& dims) {
  int64_t number = 1;
  std::vector<size_t> symbols;
  for (const Dim& dim : dims) {
    if (!dim.is_symbolic()) {
      number *= dim.size();
      continue;
    }
    const auto place = std::ranges::find(places, dim.symbol(), &SymbolPlace::symbol);
    symbols.push_back(static_cast<size_t>(place - places.begin()));
  }
  return [number, symbols](std::span<const int64_t> sizes) {
    int64_t count = number;
    for (const size_t symbol : symbols) count *= sizes[symbol];
    return count;
  };
}

std::unique_ptr<runtime::Kernel> load_generic(const Device& device, const Graph& graph,
                                              const Node& node, const KernelChoice& choice,
                                              GenericLaunch launch) {
  return std::make_unique<GenericKernel>(device, graph, node, choice, std::move(launch));
}

}  // namespace octet::cuda
