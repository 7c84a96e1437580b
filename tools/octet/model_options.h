#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "api/open_model.h"

namespace octet::cli {

/// The flags of every verb that opens a model: how it is computed and what goes in.
class ModelOptions {
 public:
  /// --precision, --preprocess, --tokenizer, --backend, --max-batch, --as-stored
  static std::shared_ptr<ModelOptions> add_to(CLI::App& verb);

  /// Throws `Error(usage)` for values that make no sense.
  [[nodiscard]] api::OpenOptions parsed() const;

 private:
  std::string precision_ = "fp16";
  std::string preprocess_;
  std::string tokenizer_;
  api::OpenOptions options_;
};

}  // namespace octet::cli
