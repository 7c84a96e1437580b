#pragma once

#include <array>
#include <cstdint>

namespace octet::cpu {

/// Rows of table look-ups, out[row][column] = table[indices[row][column]], that an epilogue leaves
/// over. Doing one twice does no harm.
struct LookUps {
  static constexpr int64_t kColumns = 32;

  const uint16_t* indices = nullptr;  ///< [rows][kColumns]
  const uint8_t* table = nullptr;
  uint8_t* out = nullptr;  ///< rows `stride` bytes apart
  int64_t stride = 0;
  int64_t rows = 0;
};

/// Look-ups that wait for a moment when they cost nothing: they need other execution ports than
/// products do, so a matrix kernel can do them between its own instructions. Of one thread.
class PendingLookUps {
 public:
  static constexpr int64_t kMost = 4;  ///< calls of `add` before everything must be done

  void add(const LookUps& rows);
  /// Hands over up to `most` rows, which the caller looks up; none when nothing is left.
  LookUps take(int64_t most);
  /// Looks up what is left.
  void finish();

 private:
  std::array<LookUps, kMost> waiting_;
  int64_t count_ = 0;
};

}  // namespace octet::cpu
