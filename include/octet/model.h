#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "octet/result.h"

namespace octet {

/// Told how far long work is: what, items done, items in all (0: unknown). May be empty.
using ProgressFunction = std::function<void(std::string_view what, int64_t done, int64_t total)>;

/// A CLIP checkpoint, opened and checked; weights stay in the mapped files. A cheap handle; copies
/// share it; safe from several threads.
class Model {
 public:
  [[nodiscard]] bool quantized() const;

 private:
  friend struct ModelAccess;
  struct State;
  explicit Model(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

/// Opens a Hugging Face CLIP checkpoint folder, quantized ones included.
Result<Model> load(const std::filesystem::path& folder);

struct QuantizeOptions {
  std::string recipe = "fp8";         ///< a built-in recipe or a file
  std::filesystem::path calibration;  ///< images and captions
  int64_t calibration_size = 512;
  uint64_t seed = 0;
  ProgressFunction progress;
};

/// Calibrates and writes an FP8 checkpoint into `folder`.
Result<void> quantize(const Model& model, const std::filesystem::path& folder,
                      const QuantizeOptions& options);

/// Writes text.onnx and image.onnx with tokenizer and preprocessing beside them; returns the files.
Result<std::vector<std::filesystem::path>> export_onnx(const Model& model,
                                                       const std::filesystem::path& folder);

/// Batches a plan is built for.
struct BatchRange {
  int64_t min = 1;
  int64_t opt = 1;
  int64_t max = 32;
};

/// Compiles an ONNX file into a plan for `backend`: "cpu", "cuda", "cuda:N", "reference", or
/// "auto", the GPU where there is one, else the CPU.
Result<void> compile(const std::filesystem::path& onnx_file, const std::filesystem::path& plan,
                     const BatchRange& batch = {}, const std::string& backend = "auto");

}  // namespace octet
