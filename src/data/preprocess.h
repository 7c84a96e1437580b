#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "data/image.h"
#include "data/resize.h"

namespace octet::data {

/// Which reference pipeline is reproduced bit for bit.
enum class PreprocessOrder {
  hf,      ///< convert to RGB, resize, crop at (H-S)/2 rounded down, scale in double
  openai,  ///< resize in the image's own mode, crop at (H-S)/2 rounded half to even, convert to
           ///< RGB, scale by 1/255 in float
};

/// Image preprocessing of one checkpoint: resize, centre crop (zeros around an image that is
/// smaller), scale, normalise. Safe from several threads.
struct Preprocessor {
  PreprocessOrder order = PreprocessOrder::hf;
  bool resize = true;
  bool keep_aspect = true;  ///< false: squash to width x height
  int resize_width = 224;   ///< keep_aspect: both hold the shortest edge
  int resize_height = 224;
  ResampleFilter resample = ResampleFilter::bicubic;
  bool crop = true;
  int crop_width = 224;
  int crop_height = 224;
  bool rescale = true;
  double rescale_factor = 1.0 / 255.0;  ///< order hf only
  bool normalize = true;
  std::array<float, 3> mean{0.48145466F, 0.4578275F, 0.40821073F};
  std::array<float, 3> std{0.26862954F, 0.26130258F, 0.27577711F};

  /// From the contents of preprocessor_config.json (old and new spellings) or
  /// processor_config.json. `where` names them in messages. Throws `Error(bad_input)`.
  static Preprocessor from_config(const Json& config, std::string_view where);
  /// From the folder's preprocessor_config.json or processor_config.json; CLIP's own pipeline for
  /// `image_size` when there is neither.
  static Preprocessor from_folder(const std::filesystem::path& folder, int image_size);

  /// Size of every result. Without a crop it is the size that is resized to.
  [[nodiscard]] int output_width() const { return crop ? crop_width : resize_width; }
  [[nodiscard]] int output_height() const { return crop ? crop_height : resize_height; }

  /// Resized and cropped RGB pixels, interleaved: [output_height, output_width, 3]. Throws
  /// `Error(usage)` when this image would come out in another size (neither crop nor squash).
  [[nodiscard]] std::vector<uint8_t> to_pixels(const Image& image) const;
  /// Writes planar FP32 [3, output_height, output_width], rescaled and normalised.
  void to_values(const Image& image, std::span<float> target) const;
};

}  // namespace octet::data
