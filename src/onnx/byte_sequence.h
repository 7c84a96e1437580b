#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/progress.h"

namespace octet::onnx {

/// The bytes of a file in order: text it owns, and memory of others it only refers to. Its size
/// is known before anything is written, as the lengths in a protobuf file demand.
class ByteSequence {
 public:
  void append(std::string_view text);
  /// `bytes` must live until `write`.
  void refer_to(std::span<const std::byte> bytes);

  [[nodiscard]] uint64_t size() const { return size_; }

  /// Throws `Error(failed)` when the disk does not take it, `Error(interrupted)` between parts.
  void write(AtomicFile& file, const Progress& progress) const;

 private:
  /// Own text, then foreign bytes.
  struct Part {
    std::string text;
    std::span<const std::byte> bytes;
  };

  std::vector<Part> parts_;
  uint64_t size_ = 0;
};

}  // namespace octet::onnx
