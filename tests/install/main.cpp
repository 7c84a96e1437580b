// A user's program: checkpoint → ONNX → plan → embeddings, through the public API alone.
// Arguments: a checkpoint folder and a folder to write to.
#include <octet/octet.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <vector>

namespace {

namespace fs = std::filesystem;

int complain(const octet::Failure& failure) {
  std::fprintf(stderr, "%s\n", failure.message.c_str());
  return static_cast<int>(failure.kind);
}

bool all_finite(const octet::HostTensor& tensor) {
  const size_t size = octet::element_size(tensor.type);
  for (size_t at = 0; at + size <= tensor.bytes.size(); at += size) {
    // FP16 or FP32: an exponent of ones means infinity or NaN.
    uint32_t bits = 0;
    std::memcpy(&bits, tensor.bytes.data() + at, size);
    const uint32_t exponent = tensor.type == octet::ElementType::f16 ? 0x7C00U : 0x7F800000U;
    if ((bits & exponent) == exponent) return false;
  }
  return true;
}

/// Embeds two grey pictures; returns an exit code.
int embed(const fs::path& plan) {
  const auto engine = octet::Engine::load(plan);
  if (!engine) return complain(engine.error());
  auto session = octet::Session::create(engine.value());
  if (!session) return complain(session.error());
  const octet::Signature input = engine.value().inputs().front();
  std::vector<int64_t> shape = input.shape;
  shape.front() = 2;
  size_t elements = 1;
  for (const int64_t extent : shape) elements *= static_cast<size_t>(extent);
  const std::vector<std::byte> pixels(elements * octet::element_size(input.type));
  const octet::TensorView view{input.type, shape, pixels.data()};
  const auto outputs = session.value().run({&view, 1});
  if (!outputs) return complain(outputs.error());
  const octet::HostTensor& features = outputs.value().front();
  std::printf("%s: [%d, %d]\n", features.name.c_str(), static_cast<int>(features.shape[0]),
              static_cast<int>(features.shape[1]));
  return features.shape.front() == 2 && all_finite(features) ? 0 : 1;
}

}  // namespace

int main(int count, char** words) {
  if (count != 3) return 2;
  const fs::path folder(words[2]);
  std::printf("octet %s\n", OCTET_VERSION);
  if (octet::load(folder / "nothing-here").has_value()) return 1;
  const auto model = octet::load(words[1]);
  if (!model) return complain(model.error());
  const auto files = octet::export_onnx(model.value(), folder);
  if (!files) return complain(files.error());
  const auto compiled = octet::compile(folder / "image.onnx", folder / "image.plan", {1, 2, 4});
  if (!compiled) return complain(compiled.error());
  return embed(folder / "image.plan");
}
