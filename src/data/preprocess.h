#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "data/image.h"
#include "tensor/tensor.h"

namespace octet::data {

/// Which reference pipeline is reproduced bit for bit.
enum class PreprocessOrder {
  hf,      ///< convert to RGB, resize, crop at (H-S)/2 rounded down, scale in double
  openai,  ///< resize in the image's own mode, crop at round-half-even, convert to RGB
};

/// Image preprocessing of one checkpoint. Immutable; safe from several threads.
struct Preprocessor {
  PreprocessOrder order = PreprocessOrder::hf;
  bool resize = true;
  bool keep_aspect = true;  ///< false: squash to width x height
  int resize_width = 224;   ///< keep_aspect: both hold the shortest edge
  int resize_height = 224;
  int resample =
      3;  ///< PIL's numbers: 0 nearest, 1 lanczos, 2 bilinear, 3 bicubic, 4 box, 5 hamming
  bool crop = true;
  int crop_width = 224;
  int crop_height = 224;
  bool rescale = true;
  double rescale_factor = 1.0 / 255.0;
  bool normalize = true;
  std::array<float, 3> mean{0.48145466F, 0.4578275F, 0.40821073F};
  std::array<float, 3> std{0.26862954F, 0.26130258F, 0.27577711F};

  /// From preprocessor_config.json (old and new spellings). Throws `Error(bad_input)`.
  static Preprocessor from_config(const Json& config, std::string_view where);
  /// The folder's preprocessor_config.json (or processor_config.json); CLIP's defaults for
  /// `image_size` when there is none.
  static Preprocessor from_folder(const std::filesystem::path& folder, int image_size);

  /// Resized and cropped RGB pixels, interleaved: [crop_height, crop_width, 3].
  [[nodiscard]] std::vector<uint8_t> to_pixels(const Image& image) const;
  /// Writes planar FP32 [3, crop_height, crop_width], rescaled and normalised.
  void to_values(const Image& image, std::span<float> target) const;
};

}  // namespace octet::data
