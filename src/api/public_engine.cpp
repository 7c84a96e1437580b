#include <array>
#include <cstring>

#include "api/backends.h"
#include "api/capture.h"
#include "octet/engine.h"
#include "runtime/engine.h"

namespace octet {
namespace {

struct TypeRow {
  ElementType type;
  DType dtype;
};
constexpr std::array kTypes{
    TypeRow{ElementType::f32, DType::f32},   TypeRow{ElementType::f16, DType::f16},
    TypeRow{ElementType::bf16, DType::bf16}, TypeRow{ElementType::f8e4m3, DType::f8e4m3},
    TypeRow{ElementType::i32, DType::i32},   TypeRow{ElementType::i64, DType::i64},
};

DType dtype_of(ElementType type) {
  for (const TypeRow& row : kTypes) {
    if (row.type == type) return row.dtype;
  }
  fail(ErrorCode::usage, "there is no element type {}", static_cast<int>(type));
}

ElementType type_of(DType dtype) {
  for (const TypeRow& row : kTypes) {
    if (row.dtype == dtype) return row.type;
  }
  fail(ErrorCode::usage, "values of {} cannot leave an engine", name_of(dtype));
}

std::vector<Signature> signatures(const Graph& graph, const std::vector<ValueId>& ids) {
  std::vector<Signature> result;
  for (const ValueId id : ids) {
    const Value& value = graph.value(id);
    Signature signature{value.name, type_of(value.dtype), {}};
    for (const Dim& dim : value.dims) signature.shape.push_back(dim.size());
    result.push_back(std::move(signature));
  }
  return result;
}

/// Views the caller's memory; it outlives the call by contract.
Tensor borrowed(const TensorView& view) {
  const DType dtype = dtype_of(view.type);
  const size_t bytes = static_cast<size_t>(element_count(view.shape)) * size_of(dtype);
  if (view.data == nullptr && bytes > 0) fail(ErrorCode::usage, "an input has no data");
  return Tensor::view(dtype, view.shape, {static_cast<const std::byte*>(view.data), bytes},
                      nullptr);
}

}  // namespace

struct Engine::State {
  std::shared_ptr<const runtime::Engine> engine;
};

struct Session::State {
  std::shared_ptr<const runtime::Engine> engine;
  runtime::Session session;
};

size_t element_size(ElementType type) {
  return size_of(dtype_of(type));
}

Result<Engine> Engine::load(const std::filesystem::path& plan, const std::string& backend) {
  return api::capture<Engine>([&] {
    runtime::Plan loaded = runtime::load_plan(plan);
    const runtime::Backend& device = api::backend_for(backend, loaded);
    auto engine = runtime::Engine::load(std::move(loaded), device);
    return Engine(std::make_shared<const State>(State{std::move(engine)}));
  });
}

std::vector<Signature> Engine::inputs() const {
  const Graph& graph = state_->engine->graph();
  return signatures(graph, graph.inputs());
}

std::vector<Signature> Engine::outputs() const {
  const Graph& graph = state_->engine->graph();
  return signatures(graph, graph.outputs());
}

int64_t Engine::max_batch() const {
  return state_->engine->max_size("batch");
}

Session::Session(std::unique_ptr<State> state) : state_(std::move(state)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Result<Session> Session::create(const Engine& engine) {
  return api::capture<Session>([&] {
    const auto& shared = engine.state_->engine;
    return Session(std::make_unique<State>(State{shared, runtime::Session(shared)}));
  });
}

Result<std::vector<HostTensor>> Session::run(std::span<const TensorView> inputs) {
  return api::capture<std::vector<HostTensor>>([&] {
    std::vector<Tensor> tensors;
    for (const TensorView& input : inputs) tensors.push_back(borrowed(input));
    const auto operands = state_->session.run(tensors);
    const Graph& graph = state_->engine->graph();
    std::vector<HostTensor> outputs;
    for (size_t i = 0; i < operands.size(); ++i) {
      HostTensor output{graph.value(graph.outputs()[i]).name, type_of(operands[i].dtype),
                        operands[i].shape(), std::vector<std::byte>(operands[i].size_bytes())};
      std::memcpy(output.bytes.data(), operands[i].data, output.bytes.size());
      outputs.push_back(std::move(output));
    }
    return outputs;
  });
}

}  // namespace octet
