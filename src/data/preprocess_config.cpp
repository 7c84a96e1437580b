#include <cmath>
#include <string>

#include "base/error.h"
#include "data/preprocess.h"

namespace octet::data {
namespace {

constexpr int kMaxEdge = 16384;

/// What Hugging Face's image processor classes do where the file is silent.
struct ProcessorFamily {
  std::string_view name;  ///< part of the class name
  bool plain_size_is_square;
  bool crop;
  ResampleFilter resample;
  std::array<float, 3> mean;
  std::array<float, 3> std;
};

constexpr std::array<float, 3> kHalf{0.5f, 0.5f, 0.5f};
constexpr ProcessorFamily kFamilies[] = {
    {"CLIP", false, true, ResampleFilter::bicubic, Preprocessor{}.mean, Preprocessor{}.std},
    {"Siglip", true, false, ResampleFilter::bicubic, kHalf, kHalf},
    {"ViT", true, false, ResampleFilter::bilinear, kHalf, kHalf},
};

const ProcessorFamily& family_of(const Json& config, std::string_view where) {
  auto type = json_or<std::string>(config, "image_processor_type", "", where);
  if (type.empty()) type = json_or<std::string>(config, "feature_extractor_type", "", where);
  if (type.empty()) return kFamilies[0];
  for (const ProcessorFamily& family : kFamilies) {
    if (type.find(family.name) != std::string::npos) return family;
  }
  fail_input("{}: image processor '{}' is not known; known are those of CLIP, SigLIP and ViT",
             where, type);
}

int read_edge(const Json& size, const char* key, std::string_view where) {
  const auto edge = json_at<int64_t>(size, key, where);
  if (edge < 1 || edge > kMaxEdge) {
    fail_input("{}: '{}' is {}; it must be between 1 and {}", where, key, edge, kMaxEdge);
  }
  return static_cast<int>(edge);
}

bool has_value(const Json& object, const char* key) {
  const auto member = object.find(key);
  return member != object.end() && !member->is_null();
}

struct Extent {
  int width = 224;
  int height = 224;
  bool is_shortest_edge = false;
};

/// A size is written N, [height, width], {"height", "width"} or {"shortest_edge"}.
Extent read_extent(const Json& config, const char* key, bool plain_is_square,
                   std::string_view where) {
  const Json& size = config.at(key);
  if (size.is_number_integer()) {
    const int edge = read_edge(config, key, where);
    return {edge, edge, !plain_is_square};
  }
  if (size.is_array() && size.size() == 2) {
    const Json named{{"height", size[0]}, {"width", size[1]}};
    return {read_edge(named, "width", where), read_edge(named, "height", where), false};
  }
  if (!size.is_object()) fail_json_member(key, where, "is neither a number nor an object");
  if (has_value(size, "longest_edge")) {
    fail_input("{}: '{}' limits the longest edge, which is not supported", where, key);
  }
  if (has_value(size, "shortest_edge")) {
    const int edge = read_edge(size, "shortest_edge", where);
    return {edge, edge, true};
  }
  return {read_edge(size, "width", where), read_edge(size, "height", where), false};
}

ResampleFilter read_resample(const Json& config, ResampleFilter fallback, std::string_view where) {
  const int number = json_or<int>(config, "resample", static_cast<int>(fallback), where);
  if (number < 0 || number > static_cast<int>(ResampleFilter::hamming)) {
    fail_input("{}: 'resample' is {}; it must be between 0 and 5", where, number);
  }
  return static_cast<ResampleFilter>(number);
}

std::array<float, 3> read_channels(const Json& config, const char* key,
                                   std::array<float, 3> fallback, std::string_view where) {
  if (!has_value(config, key)) return fallback;
  const auto values = json_at<std::vector<float>>(config, key, where);
  if (values.size() != 3) fail_json_member(key, where, "does not have three entries");
  for (const float value : values) {
    if (!std::isfinite(value)) fail_json_member(key, where, "is not finite");
  }
  return {values[0], values[1], values[2]};
}

void check_consistency(const Preprocessor& rules, std::string_view where) {
  for (const float value : rules.std) {
    if (rules.normalize && value == 0.0f) fail_json_member("image_std", where, "holds a zero");
  }
  if (!rules.crop && (!rules.resize || rules.keep_aspect)) {
    fail_input(
        "{}: without centre crop and without a fixed height and width every image would come out "
        "in another size; set do_center_crop",
        where);
  }
}

}  // namespace

Preprocessor Preprocessor::from_config(const Json& config, std::string_view where) {
  if (!config.is_object()) fail_input("{}: is not a JSON object", where);
  if (has_value(config, "image_processor")) return from_config(config["image_processor"], where);
  const ProcessorFamily& family = family_of(config, where);
  Preprocessor rules;
  rules.keep_aspect = !family.plain_size_is_square;
  if (has_value(config, "size")) {
    const Extent size = read_extent(config, "size", family.plain_size_is_square, where);
    rules.keep_aspect = size.is_shortest_edge;
    rules.resize_width = size.width;
    rules.resize_height = size.height;
  }
  if (has_value(config, "crop_size")) {
    const Extent crop = read_extent(config, "crop_size", true, where);
    rules.crop_width = crop.width;
    rules.crop_height = crop.height;
  }
  rules.resize = json_or<bool>(config, "do_resize", true, where);
  rules.crop = json_or<bool>(config, "do_center_crop", family.crop, where);
  rules.rescale = json_or<bool>(config, "do_rescale", true, where);
  rules.normalize = json_or<bool>(config, "do_normalize", true, where);
  rules.rescale_factor = json_or<double>(config, "rescale_factor", rules.rescale_factor, where);
  rules.resample = read_resample(config, family.resample, where);
  rules.mean = read_channels(config, "image_mean", family.mean, where);
  rules.std = read_channels(config, "image_std", family.std, where);
  check_consistency(rules, where);
  return rules;
}

Preprocessor Preprocessor::from_folder(const std::filesystem::path& folder, int image_size) {
  const auto preprocessor = folder / "preprocessor_config.json";
  if (std::filesystem::exists(preprocessor)) {
    return from_config(read_json(preprocessor), preprocessor.string());
  }
  const auto processor = folder / "processor_config.json";
  if (std::filesystem::exists(processor)) {
    const Json config = read_json(processor);
    if (config.is_object() && has_value(config, "image_processor")) {
      return from_config(config, processor.string());
    }
  }
  Preprocessor rules;
  rules.resize_width = rules.resize_height = image_size;
  rules.crop_width = rules.crop_height = image_size;
  return rules;
}

}  // namespace octet::data
