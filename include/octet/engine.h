#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "octet/result.h"

namespace octet {

enum class ElementType : uint8_t { f32, f16, bf16, f8e4m3, i32, i64 };

/// Bytes of one element.
size_t element_size(ElementType type);

/// A dense row-major tensor in memory of the caller, who keeps it alive and unchanged during a
/// call.
struct TensorView {
  ElementType type = ElementType::f32;
  std::vector<int64_t> shape;
  const void* data = nullptr;
};

/// A dense row-major tensor that owns its bytes.
struct HostTensor {
  std::string name;
  ElementType type = ElementType::f32;
  std::vector<int64_t> shape;
  std::vector<std::byte> bytes;
};

/// Name, element type and extents of an input or output; -1 stands for an extent that each run
/// chooses (the batch).
struct Signature {
  std::string name;
  ElementType type = ElementType::f32;
  std::vector<int64_t> shape;
};

/// A plan loaded on a backend. A cheap handle; copies share the engine, which is immutable and may
/// be used from any thread.
class Engine {
 public:
  /// Maps the plan and checks it. `backend`: "auto" is the one it was built
  /// for; "cuda" or "cuda:N" chooses the device.
  static Result<Engine> load(const std::filesystem::path& plan,
                             const std::string& backend = "auto");

  [[nodiscard]] std::vector<Signature> inputs() const;
  [[nodiscard]] std::vector<Signature> outputs() const;
  /// Largest batch one run may have.
  [[nodiscard]] int64_t max_batch() const;

 private:
  friend class Session;
  struct State;
  explicit Engine(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

/// The memory of one stream of runs on an engine: one per thread. Movable, not copyable.
class Session {
 public:
  static Result<Session> create(const Engine& engine);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  /// Runs once; `inputs` stand in the order of `Engine::inputs()`. Outputs are copied.
  Result<std::vector<HostTensor>> run(std::span<const TensorView> inputs);

 private:
  struct State;
  explicit Session(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace octet
