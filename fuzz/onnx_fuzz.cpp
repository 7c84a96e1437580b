// libFuzzer target of the ONNX reader: any bytes give a graph or a bad_input error, and a graph
// that was read comes back the same from the file written of it.

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "base/error.h"
#include "onnx/export.h"
#include "onnx/import.h"

namespace {

using octet::Error;
using octet::ErrorCode;

void require(bool condition) {
  if (!condition) std::abort();
}

octet::onnx::ImportResult import_copy(std::span<const uint8_t> bytes, bool infer) {
  const auto owner = std::make_shared<const std::string>(bytes.begin(), bytes.end());
  // A folder that does not exist: external data is looked for and never found.
  return octet::onnx::import_bytes(std::as_bytes(std::span(*owner)), owner, "/nonexistent",
                                   {.infer = infer});
}

void check_types(std::span<const uint8_t> bytes) {
  try {
    import_copy(bytes, true);
  } catch (const Error& error) {
    require(error.code() == ErrorCode::bad_input);
  }
}

void check_round_trip(const octet::Graph& graph) {
  static const auto file =
      std::filesystem::temp_directory_path() / ("octet-onnx-fuzz-" + std::to_string(std::rand()));
  try {
    octet::onnx::export_graph(graph, file);
  } catch (const Error& error) {
    require(error.code() == ErrorCode::usage);  // an operator of a later opset
    return;
  }
  const auto back = octet::onnx::import_file(file, {.infer = false});
  require(octet::first_difference(graph, back.graph).empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> bytes(data, size);
  try {
    const auto result = import_copy(bytes, false);
    check_round_trip(result.graph);
  } catch (const Error& error) {
    require(error.code() == ErrorCode::bad_input);
    return 0;
  }
  check_types(bytes);
  return 0;
}
