#include "onnx/byte_sequence.h"

namespace octet::onnx {
namespace {

/// Smaller pieces are cheaper to copy than to write by themselves.
constexpr size_t kWorthReferring = 4096;

}  // namespace

void ByteSequence::append(std::string_view text) {
  if (parts_.empty() || !parts_.back().bytes.empty()) parts_.emplace_back();
  parts_.back().text.append(text);
  size_ += text.size();
}

void ByteSequence::refer_to(std::span<const std::byte> bytes) {
  if (bytes.size() < kWorthReferring) {
    append({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    return;
  }
  if (parts_.empty() || !parts_.back().bytes.empty()) parts_.emplace_back();
  parts_.back().bytes = bytes;
  size_ += bytes.size();
}

void ByteSequence::write(AtomicFile& file, const Progress& progress) const {
  for (const Part& part : parts_) {
    throw_if_interrupted();
    file.write(part.text);
    file.write(part.bytes);
    report(progress, "writing weights", static_cast<int64_t>(file.size()), 0);
  }
}

}  // namespace octet::onnx
