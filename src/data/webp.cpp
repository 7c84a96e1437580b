#include <webp/decode.h>
#include <webp/demux.h>

#include <cstring>
#include <memory>

#include "base/error.h"
#include "data/image_formats.h"

namespace octet::data {
namespace {

struct AnimationDeleter {
  void operator()(WebPAnimDecoder* decoder) const { WebPAnimDecoderDelete(decoder); }
};

[[noreturn]] void fail_webp(std::string_view where) {
  fail_input("{}: broken WebP: it is truncated or damaged; replace the file", where);
}

void decode_still(const uint8_t* data, size_t size, Image& image, std::string_view where) {
  const int stride = image.width * image.channels;
  const auto decode = image.mode == PixelMode::rgba ? WebPDecodeRGBAInto : WebPDecodeRGBInto;
  if (decode(data, size, image.pixels.data(), image.pixels.size(), stride) == nullptr) {
    fail_webp(where);
  }
}

/// The first frame on its canvas, which is transparent black elsewhere.
void decode_first_frame(const uint8_t* data, size_t size, Image& image, std::string_view where) {
  const WebPData file{data, size};
  const std::unique_ptr<WebPAnimDecoder, AnimationDeleter> decoder(
      WebPAnimDecoderNew(&file, nullptr));
  uint8_t* canvas = nullptr;
  int time = 0;
  if (!decoder || WebPAnimDecoderGetNext(decoder.get(), &canvas, &time) == 0) fail_webp(where);
  const auto channels = static_cast<size_t>(image.channels);
  for (size_t i = 0; i < image.pixels.size() / channels; ++i) {
    std::memcpy(&image.pixels[i * channels], canvas + i * 4, channels);
  }
}

}  // namespace

Image decode_webp(std::span<const std::byte> bytes, std::string_view where) {
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(data, bytes.size(), &features) != VP8_STATUS_OK) fail_webp(where);
  const PixelMode mode = features.has_alpha != 0 ? PixelMode::rgba : PixelMode::rgb;
  Image image = allocate_image(features.width, features.height, mode, where);
  if (features.has_animation != 0) {
    decode_first_frame(data, bytes.size(), image, where);
  } else {
    decode_still(data, bytes.size(), image, where);
  }
  return image;
}

}  // namespace octet::data
