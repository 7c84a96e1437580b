#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/progress.h"
#include "data/dataset.h"
#include "data/preprocess.h"
#include "data/tokenizer.h"
#include "models/clip.h"

namespace octet::quant {

struct CalibrationOptions {
  int64_t size = 512;   ///< samples for each tower; all of a smaller set
  uint64_t seed = 0;    ///< chooses them
  bool strict = false;  ///< an unreadable image is an error instead of skipped
  std::optional<data::PreprocessOrder> preprocess;  ///< instead of what the model's folder says
};

/// What a model is run on to see its activations: images, and the first caption of each sample.
/// Every tower takes its samples from the first set that has something for it. Samples are read,
/// decoded and tokenized batch by batch.
class CalibrationData {
 public:
  /// Opens datasets (data::open_dataset) for a model, with the tokenizer and preprocessing of its
  /// folder. Throws `Error(bad_input)`.
  static CalibrationData open(const models::ClipModel& model,
                              const std::vector<std::filesystem::path>& paths,
                              const CalibrationOptions& options);
  /// Datasets are not null.
  CalibrationData(std::vector<std::unique_ptr<data::Dataset>> sets, data::Preprocessor preprocessor,
                  std::optional<data::Tokenizer> tokenizer, CalibrationOptions options);

  [[nodiscard]] bool feeds(models::Tower tower) const;
  /// Throws `Error(bad_input)` saying what is missing when `run` could not feed this tower.
  void check_source(models::Tower tower) const;

  using Consume = std::function<void(const Tensor& batch)>;
  /// Hands the tower's inputs to `consume`, at most `batch` samples at a time: token ids I64
  /// [n, context], or pixels F32 [n, 3, height, width]. Unreadable images are logged and counted.
  /// Throws `Error(bad_input)` when there is no set for the tower, when no sample of it is usable,
  /// and with `strict` for the first unreadable image; `Error(interrupted)`.
  void run(models::Tower tower, int64_t batch, const Progress& progress, const Consume& consume);

  [[nodiscard]] const CalibrationOptions& options() const { return options_; }
  /// Images that could not be read so far.
  [[nodiscard]] int64_t unreadable() const { return unreadable_; }
  /// Samples that were used, by tower.
  [[nodiscard]] int64_t used(models::Tower tower) const {
    return used_[static_cast<size_t>(tower)];
  }

 private:
  struct Choice {
    const data::Dataset* set = nullptr;
    std::vector<int64_t> indices;
  };
  [[nodiscard]] Choice choose(models::Tower tower) const;
  Tensor texts(const Choice& choice, size_t begin, size_t end);
  Tensor images(const Choice& choice, size_t begin, size_t end);

  std::vector<std::unique_ptr<data::Dataset>> sets_;
  data::Preprocessor preprocessor_;
  std::optional<data::Tokenizer> tokenizer_;
  CalibrationOptions options_;
  Choice text_;
  Choice image_;
  int64_t unreadable_ = 0;
  int64_t truncated_ = 0;
  int64_t used_[2] = {0, 0};
};

}  // namespace octet::quant
