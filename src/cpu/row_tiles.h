#pragma once

#include <cstdint>
#include <utility>

namespace octet::cpu {

/// Calls `tile.template operator()<R>()` with the R, 1 to Max, that equals `rows`.
template <int Max, typename TileCall>
inline void with_row_count(int64_t rows, int64_t first_row, TileCall& tile) {
  if constexpr (Max > 0) {
    if (rows == Max) {
      tile.template operator()<Max>(first_row);
    } else {
      with_row_count<Max - 1>(rows, first_row, tile);
    }
  }
}

/// Cuts `rows` into the fewest tiles of at most `Max` rows, as even as can be (a short last tile
/// would leave the multipliers waiting), and calls `tile.template operator()<R>(first_row)`.
template <int Max, typename TileCall>
inline void for_row_tiles(int64_t rows, TileCall&& tile) {
  const int64_t tiles = (rows + Max - 1) / Max;
  for (int64_t index = 0; index < tiles; ++index) {
    const int64_t begin = rows * index / tiles;
    const int64_t end = rows * (index + 1) / tiles;
    with_row_count<Max>(end - begin, begin, tile);
  }
}

}  // namespace octet::cpu
