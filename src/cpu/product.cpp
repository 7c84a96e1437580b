#include "cpu/product.h"

#include <algorithm>
#include <cstring>
#include <functional>

#include "base/error.h"
#include "base/threads.h"

namespace octet::cpu {
namespace {

// Blocking. A slice of K is as long as a tile's rows (14 or 32 x 1 KiB) stay in the first-level
// cache beside the panel that streams by; a group of panels is as wide as its slices (32 KiB each
// decoded, half of that as codes) stay in the second-level cache, and rows are read once per group
// instead of once per panel.
constexpr int64_t kSliceBytes = 1024;
/// So few rows take slices of twice the length, in groups of half the width: fewer rounds of sums,
/// and weights, whose reading then decides, come in longer stretches.
constexpr int64_t kFewRows = 16;
constexpr int64_t kSliceMultiple = 64;  ///< elements; what every kernel takes without a remainder
static_assert(kPanelColumns == LookUps::kColumns);
/// Sums of a block (36 KiB for each panel) stay in the second-level cache too.
constexpr int64_t kBlockRows = 288;
/// Rows of more bytes do not stay in that cache from one group to the next.
constexpr int64_t kStayingBytes = 1 << 20;
/// Rows that are finished panel by panel: few enough that what is read and written beside the sums,
/// a stretch of each row, is a stream to the processor, and enough to do a panel's columns at once.
constexpr int64_t kFinishedRows = 16;
constexpr int64_t kCacheLine = 64;

int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}
int64_t round_up(int64_t a, int64_t b) {
  return ceil_div(a, b) * b;
}

/// Elements of K in a slice of at most so many bytes of a row. Slices are as even as can be: each
/// costs a round of sums.
int64_t slice_depth(int64_t depth, int64_t element_bytes, int64_t slice_bytes) {
  const int64_t slices = std::max<int64_t>(1, ceil_div(depth * element_bytes, slice_bytes));
  return round_up(ceil_div(depth, slices), kSliceMultiple);
}

/// Cache lines from a row to the next, at least `lines`. Slices (16 lines) of 32 rows that lie so
/// far apart spread over the 64 sets of a first-level cache: at most nine on each.
int64_t row_lines(int64_t lines) {
  while (lines % 64 != 16 && lines % 64 != 33 && lines % 64 != 48) ++lines;
  return lines;
}

bool takes_codes(const DotKernels& kernels, DType weights) {
  return weights == DType::f8e4m3 && kernels.multiply_codes != nullptr;
}

}  // namespace

/// How one call is cut: units of one block of rows times one panel, taken in turn by parts that run
/// at the same time. Which part computes a unit does not change it.
struct Product::Blocking {
  int64_t rows;
  int64_t row_blocks;
  int64_t units;
  int64_t parts;
  int64_t least_panels;  ///< of a group
  int64_t most_panels;
  int64_t slice_bytes;
  // Scratch of one part.
  int64_t sums_bytes;
  int64_t panels_bytes;
  int64_t indices_bytes;
  [[nodiscard]] int64_t part_bytes() const { return sums_bytes + panels_bytes + indices_bytes; }
};

/// What is computed in one go: some rows times up to a group of panels (none: all is done).
struct Product::Group {
  int64_t first_row = 0;
  int64_t rows = 0;
  int64_t first_panel = 0;
  int64_t panels = 0;
};

/// The memory of what runs on one thread.
struct Product::Part {
  float* sums;        ///< [group_panels][rows][32]
  std::byte* panels;  ///< [group_panels] decoded slices
  uint16_t* indices;  ///< [group_panels][rows][32], of pending look-ups
  PendingLookUps look_ups;
};

Product::Product(const MatrixSet& set, DType x, const PackedMatrix& weights)
    : x_(x),
      weights_(weights),
      kernels_(&dot_kernels(set, x, weights.dtype)),
      multiply_(takes_codes(*kernels_, weights.dtype) ? kernels_->multiply_codes
                                                      : kernels_->multiply) {}

std::string Product::explanation() const {
  std::string text = fmt::format("{} rows by {} weights, multiplied in {}", name_of(x_),
                                 name_of(weights_.dtype), kernels_->format);
  if (decodes()) {
    text += "; weights are decoded panel by panel into a buffer in the second-level cache";
  } else if (takes_codes(*kernels_, weights_.dtype)) {
    text += "; weights are decoded in registers, anew for every tile of rows";
  }
  if (weights_.dtype == DType::f8e4m3) text += fmt::format(" ({})", kernels_->reason);
  return text;
}

bool Product::decodes() const {
  return weights_.dtype != DType::f32 && !takes_codes(*kernels_, weights_.dtype);
}

Product::Blocking Product::blocking(int64_t rows) const {
  const int64_t threads = thread_count();
  const int64_t panels = std::max<int64_t>(1, weights_.panel_count());
  // Enough units for every thread, but no block so small that decoding panels costs more than
  // multiplying with them.
  const int64_t wanted = std::min(ceil_div(2 * threads, panels), ceil_div(rows, 32));
  const int64_t row_blocks = std::max<int64_t>({1, ceil_div(rows, kBlockRows), wanted});
  const int64_t units = row_blocks * panels;
  // Not the rows of the largest block: fewer rows may make larger blocks, and a workspace for many
  // rows must do for fewer.
  const int64_t sums = std::min(rows, kBlockRows) * kPanelColumns * int64_t{sizeof(float)};
  const int64_t parts = std::min(threads, units);
  const int64_t longer = rows <= kFewRows ? 2 : 1;
  const int64_t most_panels = kernels_->group_panels / longer;
  // Small groups at the end let all parts end together, but each reads its rows anew.
  const int64_t row_bytes = weights_.depth * kernels_->element_bytes;
  const bool stay = ceil_div(rows, row_blocks) * row_bytes <= kStayingBytes;
  return {.rows = rows,
          .row_blocks = row_blocks,
          .units = units,
          .parts = parts,
          .least_panels = stay ? 1 : std::clamp<int64_t>(units / parts, 1, most_panels / 2),
          .most_panels = most_panels,
          .slice_bytes = kSliceBytes * longer,
          .sums_bytes = kernels_->group_panels * sums,
          .panels_bytes = kernels_->group_panels * (decodes() ? kSliceBytes * kPanelColumns : 0),
          .indices_bytes = kernels_->group_panels * (kernels_->looks_up ? sums / 2 : 0)};
}

size_t Product::rows_bytes(int64_t rows) const {
  return static_cast<size_t>(rows_in({}, rows).stride * rows);
}

size_t Product::scratch_bytes(int64_t rows) const {
  if (rows == 0) return 0;
  const Blocking cut = blocking(rows);
  return static_cast<size_t>(cut.parts * cut.part_bytes());
}

PreparedRows Product::rows_in(std::span<std::byte> workspace, int64_t rows) const {
  const int64_t used = weights_.depth * kernels_->element_bytes;
  const int64_t padded =
      round_up(weights_.depth, kernels_->depth_multiple) * kernels_->element_bytes;
  const PreparedRows result{workspace.data(), row_lines(ceil_div(padded, kCacheLine)) * kCacheLine,
                            rows};
  if (workspace.empty()) return result;
  check(workspace.size() >= static_cast<size_t>(result.stride * rows), "rows need more workspace");
  for (int64_t row = 0; row < rows; ++row) {
    std::memset(result.data + row * result.stride + used, 0, static_cast<size_t>(padded - used));
  }
  return result;
}

void Product::decode(const std::byte* x, const PreparedRows& target) const {
  const int64_t row_bytes = weights_.depth * static_cast<int64_t>(size_of(x_));
  const auto decode_rows = [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      kernels_->decode_row(x_, x + row * row_bytes, weights_.depth,
                           target.data + row * target.stride);
    }
  };
  parallel_for(target.count, 16, std::ref(decode_rows));
}

void Product::run(const PreparedRows& rows, const Epilogue& epilogue,
                  std::span<std::byte> scratch) const {
  if (rows.count == 0 || weights_.columns == 0) return;
  Blocking cut = blocking(rows.count);
  const int64_t fitting = static_cast<int64_t>(scratch.size()) / cut.part_bytes();
  check(fitting > 0, "a product needs {} bytes of scratch and got {}", cut.part_bytes(),
        scratch.size());
  cut.parts = std::min(cut.parts, fitting);
  std::atomic<int64_t> next_unit = 0;
  const auto run_parts = [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) {
      run_units(rows, epilogue, cut, next_unit, scratch.data() + part * cut.part_bytes());
    }
  };
  parallel_for(cut.parts, 1, std::ref(run_parts));
}

/// The next units, at most a group of panels of one block of rows; the fewer the fewer are left,
/// so that all parts end at about the same time.
Product::Group Product::take_group(const Blocking& cut, std::atomic<int64_t>& next_unit) const {
  const int64_t panels = weights_.panel_count();
  int64_t unit = next_unit.load();
  int64_t count = 0;
  do {
    if (unit >= cut.units) return {};
    const int64_t share = (cut.units - unit) / (2 * cut.parts);
    count = std::min(std::clamp(share, cut.least_panels, cut.most_panels), panels - unit % panels);
  } while (!next_unit.compare_exchange_weak(unit, unit + count));
  const int64_t block = unit / panels;
  const int64_t first_row = cut.rows * block / cut.row_blocks;
  const int64_t end_row = cut.rows * (block + 1) / cut.row_blocks;
  return {first_row, end_row - first_row, unit % panels, count};
}

void Product::run_units(const PreparedRows& rows, const Epilogue& epilogue, const Blocking& cut,
                        std::atomic<int64_t>& next_unit, std::byte* scratch) const {
  std::byte* panels = scratch + cut.sums_bytes;
  Part part{reinterpret_cast<float*>(scratch),
            panels,
            reinterpret_cast<uint16_t*>(panels + cut.panels_bytes),
            {}};
  // A group is taken before its turn, so that its weights can be fetched meanwhile.
  Group group = take_group(cut, next_unit);
  while (group.panels > 0) {
    const Group next = take_group(cut, next_unit);
    run_group(rows, epilogue, cut, group, next, part);
    group = next;
  }
  part.look_ups.finish();
}

/// The weights that are read after the slice that ends at row `k`; null when there are none.
const std::byte* Product::slice_after(const Group& group, const Group& next, int64_t k) const {
  if (k < weights_.depth) return weights_.panel(group.first_panel, k);
  return next.panels > 0 ? weights_.panel(next.first_panel) : nullptr;
}

void Product::run_group(const PreparedRows& rows, const Epilogue& epilogue, const Blocking& cut,
                        const Group& group, const Group& next, Part& part) const {
  const bool direct = !decodes();
  const int64_t element = kernels_->element_bytes;
  BlockProduct block;
  block.row_stride = rows.stride;
  block.row_count = group.rows;
  block.panel_count = group.panels;
  block.panel_stride =
      direct ? weights_.slice_bytes(weights_.depth) : cut.slice_bytes * kPanelColumns;
  block.sums = part.sums;
  block.sums_stride = group.rows * kPanelColumns;
  block.ahead_step = kPanelColumns * static_cast<int64_t>(size_of(weights_.dtype));
  block.ahead_stride = weights_.slice_bytes(weights_.depth);
  block.look_ups = &part.look_ups;
  const int64_t slice = slice_depth(weights_.depth, element, cut.slice_bytes);
  int64_t k = 0;
  do {
    const int64_t depth = std::min(weights_.depth - k, slice);
    block.depth = round_up(depth, kernels_->depth_multiple);
    block.rows = rows.data + group.first_row * rows.stride + k * element;
    block.ahead = slice_after(group, next, k + depth);
    block.panels = direct ? weights_.panel(group.first_panel, k) : part.panels;
    for (int64_t i = 0; !direct && i < group.panels; ++i) {
      kernels_->decode_panel(weights_.dtype, weights_.panel(group.first_panel + i, k), depth,
                             part.panels + i * block.panel_stride);
    }
    multiply_(block);
    block.accumulate = true;
    k += depth;
  } while (k < weights_.depth);
  finish_group(epilogue, group, block, part);
}

void Product::finish_group(const Epilogue& epilogue, const Group& group, const BlockProduct& block,
                           Part& part) const {
  part.look_ups.finish();  // what the products did not get to
  for (int64_t i = 0; i < group.panels; ++i) {
    const int64_t column = (group.first_panel + i) * kPanelColumns;
    if (!leaves_look_ups(epilogue, column)) continue;
    const float* sums = block.sums + i * block.sums_stride;
    uint16_t* indices = part.indices + i * block.sums_stride;
    part.look_ups.add(
        finish_to_indices(epilogue, group.first_row, group.rows, column, sums, indices));
  }
  for (int64_t row = 0; row < group.rows; row += kFinishedRows) {
    const int64_t count = std::min(kFinishedRows, group.rows - row);
    for (int64_t i = 0; i < group.panels; ++i) {
      const int64_t column = (group.first_panel + i) * kPanelColumns;
      if (leaves_look_ups(epilogue, column)) continue;
      const float* sums = block.sums + i * block.sums_stride + row * kPanelColumns;
      finish_rows(epilogue, group.first_row + row, count, column, sums);
    }
  }
}

/// Whether the look-ups of the panel with this first column wait for later products.
bool Product::leaves_look_ups(const Epilogue& epilogue, int64_t column) const {
  const bool whole = column + kPanelColumns <= epilogue.columns;
  return kernels_->looks_up && whole && epilogue.table(column) != nullptr;
}

}  // namespace octet::cpu
