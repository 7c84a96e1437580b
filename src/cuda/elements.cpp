#include "cuda/elements.h"

#include "base/error.h"

namespace octet::cuda {
namespace {

constexpr const char* kEntry = "elements";
constexpr unsigned kThreads = 256;

}  // namespace

KernelSource element_source(const NodeSite& site, const ElementText& text, size_t held) {
  const IndexText index(symbols_of(site.graph, site.node));
  return generic_source(site, "elements.cu", kEntry,
                        {{"COUNT", index.count(text.domain)},
                         {"OUTPUT", std::to_string(site.node.inputs.size())},
                         {"Y", text.type},
                         {"TARGET", text.target},
                         {"GUARD", text.guard},
                         {"VALUE", text.value}},
                        held);
}

GenericLaunch element_launch(const Graph& graph, const Node& node, const Dims& domain) {
  const Count count = count_of(symbols_of(graph, node), domain);
  return {kEntry, kThreads, [count](std::span<const int64_t> sizes) {
            return (count(sizes) + kThreads - 1) / kThreads;
          }};
}

std::string bits_name(size_t bytes) {
  switch (bytes) {
    case 1:
      return "uint8_t";
    case 2:
      return "uint16_t";
    case 4:
      return "uint32_t";
    case 8:
      return "uint64_t";
    case 16:
      return "uint4";
    default:
      check(false, "no element has {} bytes", bytes);
      return {};
  }
}

}  // namespace octet::cuda
