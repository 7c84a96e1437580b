#include "quant/calibration_data.h"

#include <algorithm>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "data/batch.h"

namespace octet::quant {
namespace {

bool has_images(const data::Dataset& set) {
  return set.kind() != "text";
}

/// Judged by its first samples; later ones may lack a caption.
bool has_captions(const data::Dataset& set) {
  constexpr int64_t kLookedAt = 8;
  for (int64_t i = 0; i < std::min(set.size(), kLookedAt); ++i) {
    if (!set.at(i).captions.empty()) return true;
  }
  return false;
}

/// Null when the model has no text tower or its folder no tokenizer: not every recipe needs one.
std::optional<data::Tokenizer> open_tokenizer(const models::ClipModel& model) {
  const std::filesystem::path& folder = model.checkpoint().folder;
  const bool there = file_exists(folder / "tokenizer.json") || file_exists(folder / "vocab.json");
  if (!model.has(models::Tower::text) || !there) return std::nullopt;
  data::TokenizerOptions options;
  options.max_length = model.config().text.context;
  return data::Tokenizer::from_folder(folder, options);
}

data::Preprocessor open_preprocessor(const models::ClipModel& model,
                                     const CalibrationOptions& options) {
  const auto size = static_cast<int>(model.config().vision.image_size);
  auto preprocessor = data::Preprocessor::from_folder(model.checkpoint().folder, size);
  if (options.preprocess) preprocessor.order = *options.preprocess;
  if (model.has(models::Tower::image) &&
      (preprocessor.output_width() != size || preprocessor.output_height() != size)) {
    fail_input("preprocessing in '{}' makes images of {} x {}, but the model takes {} x {}",
               model.checkpoint().folder.string(), preprocessor.output_width(),
               preprocessor.output_height(), size, size);
  }
  return preprocessor;
}

}  // namespace

CalibrationData CalibrationData::open(const models::ClipModel& model,
                                      const std::vector<std::filesystem::path>& paths,
                                      const CalibrationOptions& options) {
  std::vector<std::unique_ptr<data::Dataset>> sets;
  sets.reserve(paths.size());
  for (const auto& path : paths) sets.push_back(data::open_dataset(path));
  return {std::move(sets), open_preprocessor(model, options), open_tokenizer(model), options};
}

CalibrationData::CalibrationData(std::vector<std::unique_ptr<data::Dataset>> sets,
                                 data::Preprocessor preprocessor,
                                 std::optional<data::Tokenizer> tokenizer,
                                 CalibrationOptions options)
    : sets_(std::move(sets)),
      preprocessor_(preprocessor),
      tokenizer_(std::move(tokenizer)),
      options_(options),
      text_(choose(models::Tower::text)),
      image_(choose(models::Tower::image)) {
  if (options_.size < 1) {
    fail(ErrorCode::usage, "a calibration size of {}; give at least 1", options_.size);
  }
}

CalibrationData::Choice CalibrationData::choose(models::Tower tower) const {
  const auto usable = tower == models::Tower::text ? has_captions : has_images;
  for (const auto& set : sets_) {
    if (!usable(*set)) continue;
    return {set.get(), data::sample_indices(set->size(), options_.size, options_.seed)};
  }
  return {};
}

bool CalibrationData::feeds(models::Tower tower) const {
  return (tower == models::Tower::text ? text_ : image_).set != nullptr;
}

void CalibrationData::check_source(models::Tower tower) const {
  if (!feeds(tower)) {
    const bool text = tower == models::Tower::text;
    fail_input(
        "the calibration data has no {}, which the {} tower needs; give {} too, or switch off its "
        "quantizers",
        text ? "captions" : "images", models::name_of(tower),
        text ? "a text file with a caption a line" : "a set of images");
  }
  if (tower == models::Tower::text && !tokenizer_) {
    fail_input(
        "the model's folder has no tokenizer (tokenizer.json, or vocab.json and merges.txt), which "
        "calibrating the text tower needs");
  }
}

void CalibrationData::run(models::Tower tower, int64_t batch, const Progress& progress,
                          const Consume& consume) {
  check_source(tower);
  const bool text = tower == models::Tower::text;
  const Choice& choice = text ? text_ : image_;
  const size_t count = choice.indices.size();
  int64_t& used = used_[static_cast<size_t>(tower)];
  used = 0;
  for (size_t begin = 0; begin < count; begin += static_cast<size_t>(batch)) {
    throw_if_interrupted();
    const size_t end = std::min(count, begin + static_cast<size_t>(batch));
    const Tensor inputs = text ? texts(choice, begin, end) : images(choice, begin, end);
    if (inputs.extent(0) > 0) consume(inputs);
    used += inputs.extent(0);
    report(progress, text ? "calibrate text" : "calibrate image", static_cast<int64_t>(end),
           static_cast<int64_t>(count));
  }
  if (used == 0) fail_input("the calibration set has no usable {}", text ? "caption" : "image");
  if (text && truncated_ > 0) {
    log_warning("{} captions were longer than {} tokens and were cut", truncated_,
                tokenizer_->options().max_length);
  }
}

Tensor CalibrationData::texts(const Choice& choice, size_t begin, size_t end) {
  std::vector<std::string> captions;
  for (size_t i = begin; i < end; ++i) {
    data::Sample sample = choice.set->at(choice.indices[i]);
    if (!sample.captions.empty()) captions.push_back(std::move(sample.captions.front()));
  }
  return data::encode_padded(*tokenizer_, captions, truncated_);
}

Tensor CalibrationData::images(const Choice& choice, size_t begin, size_t end) {
  std::vector<data::Sample> samples;
  for (size_t i = begin; i < end; ++i) samples.push_back(choice.set->at(choice.indices[i]));
  data::ImageBatch batch = data::preprocess_batch(preprocessor_, samples);
  for (const std::string& problem : batch.problems) {
    if (options_.strict) fail_input("{}", problem);
    log_warning("skipped: {}", problem);
  }
  unreadable_ += static_cast<int64_t>(batch.problems.size());
  return std::move(batch.values);
}

}  // namespace octet::quant
