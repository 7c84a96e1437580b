#include <algorithm>

#include "base/error.h"
#include "data/dataset_formats.h"
#include "data/text_lines.h"

namespace octet::data {
namespace {

/// One caption a sample, without an image.
class TextDataset final : public NamedDataset {
 public:
  TextDataset(std::string name, std::vector<std::string> lines)
      : NamedDataset("text", {}), name_(std::move(name)), lines_(std::move(lines)) {}

  [[nodiscard]] int64_t size() const override { return static_cast<int64_t>(lines_.size()); }

  [[nodiscard]] Sample at(int64_t index) const override {
    Sample sample;
    sample.key = fmt::format("{}:{}", name_, index + 1);
    sample.captions = {lines_.at(static_cast<size_t>(index))};
    sample.problem = "a text has no image";
    return sample;
  }

 private:
  std::string name_;
  std::vector<std::string> lines_;
};

}  // namespace

std::unique_ptr<Dataset> open_text(const std::filesystem::path& file,
                                   std::vector<std::string> lines) {
  std::erase_if(lines, [](const std::string& line) { return strip(line).empty(); });
  return std::make_unique<TextDataset>(file.filename().string(), std::move(lines));
}

}  // namespace octet::data
