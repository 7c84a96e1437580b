// Tiles of a product in an order that keeps what blocks read at one time in the cache: bands of 8
// tiles of rows, in each band column by column.
struct TileOrder {
  int row_tiles;
  static constexpr int kColumnTiles = (COLUMNS + TILE_COLUMNS - 1) / TILE_COLUMNS;
  static constexpr int kBand = 8;
  __device__ __forceinline__ int count() const { return row_tiles * kColumnTiles; }
  __device__ __forceinline__ void at(int tile, int& row_tile, int& column_tile) const {
    const int band = tile / (kBand * kColumnTiles), first = band * kBand;
    const int in_band = tile - band * kBand * kColumnTiles, height = min(kBand, row_tiles - first);
    row_tile = first + in_band % height;
    column_tile = in_band / height;
  }
};
