#include <csetjmp>
#include <cstdio>
#include <utility>

// jpeglib.h uses FILE and size_t without including their headers.
#include <jpeglib.h>

#include "base/error.h"
#include "data/image_formats.h"

namespace octet::data {
namespace {

/// libjpeg reports errors through callbacks that must not return; `jmp_buf` leads back to
/// `guarded`, so no C++ object may live in the frames between.
struct ErrorManager {
  jpeg_error_mgr base;  // first: libjpeg hands back its address
  std::jmp_buf escape;
  char message[JMSG_LENGTH_MAX];
};

ErrorManager& manager_of(j_common_ptr info) {
  return *reinterpret_cast<ErrorManager*>(info->err);
}

void on_error(j_common_ptr info) {
  ErrorManager& manager = manager_of(info);
  info->err->format_message(info, manager.message);
  std::longjmp(manager.escape, 1);
}

/// Damage that libjpeg can bridge stays unreported, as in the reference library.
void on_warning(j_common_ptr /*info*/, int /*level*/) {}

/// The whole file is in memory: asking for more means that its end is missing.
boolean on_end_of_data(j_decompress_ptr info) {
  ErrorManager& manager = manager_of(reinterpret_cast<j_common_ptr>(info));
  std::snprintf(manager.message, sizeof(manager.message), "the file is truncated");
  std::longjmp(manager.escape, 1);
}

void on_skip(j_decompress_ptr info, long count) {
  if (count <= 0) return;
  if (static_cast<size_t>(count) > info->src->bytes_in_buffer) on_end_of_data(info);
  info->src->next_input_byte += count;
  info->src->bytes_in_buffer -= static_cast<size_t>(count);
}

class JpegReader {
 public:
  JpegReader(std::span<const std::byte> bytes, std::string_view where);
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;
  ~JpegReader() { jpeg_destroy_decompress(&info_); }

  Image read();

 private:
  /// Runs one stage of libjpeg; turns its error into ours.
  void guarded(void (*stage)(JpegReader& reader));
  void read_rows();

  std::string_view where_;
  jpeg_decompress_struct info_{};
  jpeg_source_mgr source_{};
  ErrorManager errors_{};
  Image image_;
};

JpegReader::JpegReader(std::span<const std::byte> bytes, std::string_view where) : where_(where) {
  info_.err = jpeg_std_error(&errors_.base);
  errors_.base.error_exit = on_error;
  errors_.base.emit_message = on_warning;
  source_.next_input_byte = reinterpret_cast<const JOCTET*>(bytes.data());
  source_.bytes_in_buffer = bytes.size();
  source_.init_source = [](j_decompress_ptr) {};
  source_.fill_input_buffer = on_end_of_data;
  source_.skip_input_data = on_skip;
  source_.resync_to_restart = jpeg_resync_to_restart;
  source_.term_source = [](j_decompress_ptr) {};
}

void JpegReader::guarded(void (*stage)(JpegReader& reader)) {
  if (setjmp(errors_.escape) != 0)
    fail_input("{}: broken JPEG: {}; replace the file", where_, errors_.message);
  stage(*this);
}

Image JpegReader::read() {
  guarded([](JpegReader& reader) {
    jpeg_create_decompress(&reader.info_);
    reader.info_.src = &reader.source_;
    jpeg_read_header(&reader.info_, TRUE);
  });
  PixelMode mode = PixelMode::rgb;
  if (info_.num_components == 1) mode = PixelMode::l;
  if (info_.num_components == 4) mode = PixelMode::cmyk;
  image_ = allocate_image(info_.image_width, info_.image_height, mode, where_);
  // Decoding is defined as the library's defaults: accurate integer DCT, smooth chroma upsampling.
  info_.out_color_space = JCS_RGB;
  if (mode == PixelMode::l) info_.out_color_space = JCS_GRAYSCALE;
  if (mode == PixelMode::cmyk) info_.out_color_space = JCS_CMYK;
  guarded([](JpegReader& reader) { reader.read_rows(); });
  if (mode == PixelMode::cmyk) {
    // Four-component files in practice follow Adobe, who stores the inks inverted.
    for (uint8_t& value : image_.pixels) value = static_cast<uint8_t>(255 - value);
  }
  return std::move(image_);
}

void JpegReader::read_rows() {
  jpeg_start_decompress(&info_);
  const size_t stride = static_cast<size_t>(image_.width) * static_cast<size_t>(image_.channels);
  while (info_.output_scanline < info_.output_height) {
    JSAMPROW row = image_.pixels.data() + stride * info_.output_scanline;
    jpeg_read_scanlines(&info_, &row, 1);
  }
  jpeg_finish_decompress(&info_);
}

}  // namespace

Image decode_jpeg(std::span<const std::byte> bytes, std::string_view where) {
  return JpegReader(bytes, where).read();
}

}  // namespace octet::data
