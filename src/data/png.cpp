#include <png.h>

#include <algorithm>
#include <array>
#include <bit>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "data/image_formats.h"

namespace octet::data {
namespace {

/// Between `setjmp` in `guarded` and libpng's errors no C++ object may live.
class PngReader {
 public:
  PngReader(std::span<const std::byte> bytes, std::string_view where);
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }

  Image read();

 private:
  static void on_error(png_structp png, png_const_charp message);
  static void on_warning(png_structp /*png*/, png_const_charp /*message*/) {}
  static void on_read(png_structp png, png_bytep target, size_t size);

  void guarded(void (*stage)(PngReader& reader));
  void read_header();
  [[nodiscard]] PixelMode choose_mode() const;
  void read_rows();
  void read_palette();

  std::string_view where_;
  std::span<const std::byte> rest_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::jmp_buf escape_;
  std::array<char, 128> message_{};
  Image image_;
};

PngReader::PngReader(std::span<const std::byte> bytes, std::string_view where)
    : where_(where), rest_(bytes) {
  png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning);
  if (png_ != nullptr) info_ = png_create_info_struct(png_);
  check(info_ != nullptr, "libpng does not fit its header");
}

void PngReader::on_error(png_structp png, png_const_charp message) {
  auto& reader = *static_cast<PngReader*>(png_get_error_ptr(png));
  std::snprintf(reader.message_.data(), reader.message_.size(), "%s", message);
  std::longjmp(reader.escape_, 1);
}

void PngReader::on_read(png_structp png, png_bytep target, size_t size) {
  auto& reader = *static_cast<PngReader*>(png_get_io_ptr(png));
  if (size > reader.rest_.size()) on_error(png, "the file is truncated");
  std::memcpy(target, reader.rest_.data(), size);
  reader.rest_ = reader.rest_.subspan(size);
}

void PngReader::guarded(void (*stage)(PngReader& reader)) {
  if (setjmp(escape_) != 0)
    fail_input("{}: broken PNG: {}; replace the file", where_, message_.data());
  stage(*this);
}

Image PngReader::read() {
  guarded([](PngReader& reader) { reader.read_header(); });
  const PixelMode mode = choose_mode();
  image_ = allocate_image(png_get_image_width(png_, info_), png_get_image_height(png_, info_), mode,
                          where_);
  if (mode == PixelMode::p) image_.palette.resize(size_t{3} * 256);
  guarded([](PngReader& reader) { reader.read_rows(); });
  return std::move(image_);
}

void PngReader::read_header() {
  png_set_read_fn(png_, this, on_read);
  png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // allocate_image has the real cap
  png_set_check_for_invalid_index(png_, 0);
  png_read_info(png_, info_);
}

/// Transparency given by a tRNS chunk is ignored here and in every later conversion.
PixelMode PngReader::choose_mode() const {
  const int depth = png_get_bit_depth(png_, info_);
  switch (png_get_color_type(png_, info_)) {
    case PNG_COLOR_TYPE_GRAY:
      if (depth == 1) return PixelMode::one;
      return depth == 16 ? PixelMode::i16 : PixelMode::l;
    case PNG_COLOR_TYPE_PALETTE:
      return PixelMode::p;
    case PNG_COLOR_TYPE_GRAY_ALPHA:
      return depth == 16 ? PixelMode::rgba : PixelMode::la;
    case PNG_COLOR_TYPE_RGB_ALPHA:
      return PixelMode::rgba;
    default:
      return PixelMode::rgb;
  }
}

void PngReader::read_rows() {
  if (image_.mode == PixelMode::i16) {
    if constexpr (std::endian::native == std::endian::little) png_set_swap(png_);
  } else {
    png_set_strip_16(png_);
  }
  if (image_.mode == PixelMode::p) png_set_packing(png_);
  if (image_.mode == PixelMode::l || image_.mode == PixelMode::one) {
    png_set_expand_gray_1_2_4_to_8(png_);
  }
  if (image_.mode == PixelMode::rgba) png_set_gray_to_rgb(png_);
  const int passes = png_set_interlace_handling(png_);
  png_read_update_info(png_, info_);
  const size_t stride = image_.pixels.size() / static_cast<size_t>(image_.height);
  check(png_get_rowbytes(png_, info_) == stride, "libpng's rows are not what the mode says");
  for (int pass = 0; pass < passes; ++pass) {
    for (int y = 0; y < image_.height; ++y) {
      png_read_row(png_, image_.pixels.data() + stride * static_cast<size_t>(y), nullptr);
    }
  }
  if (image_.mode == PixelMode::p) read_palette();
}

/// Indices beyond the file's palette show as shades of grey.
void PngReader::read_palette() {
  for (size_t i = 0; i < image_.palette.size(); ++i) {
    image_.palette[i] = static_cast<uint8_t>(i / 3);
  }
  png_colorp colors = nullptr;
  int count = 0;
  png_get_PLTE(png_, info_, &colors, &count);
  for (int i = 0; i < std::min(count, 256); ++i) {
    uint8_t* entry = &image_.palette[3 * static_cast<size_t>(i)];
    entry[0] = colors[i].red;
    entry[1] = colors[i].green;
    entry[2] = colors[i].blue;
  }
}

}  // namespace

Image decode_png(std::span<const std::byte> bytes, std::string_view where) {
  return PngReader(bytes, where).read();
}

}  // namespace octet::data
