#include "tools/octet/model_options.h"

namespace octet::cli {

std::shared_ptr<ModelOptions> ModelOptions::add_to(CLI::App& verb) {
  auto flags = std::make_shared<ModelOptions>();
  verb.add_option("--precision", flags->precision_,
                  "arithmetic between quantizers, for checkpoints: fp16 (what is exported) or fp32")
      ->check(CLI::IsMember({"fp16", "fp32"}))
      ->capture_default_str();
  verb.add_option("--preprocess", flags->preprocess_,
                  "image preprocessing order instead of the folder's own: hf or openai")
      ->check(CLI::IsMember({"hf", "openai"}));
  verb.add_option("--tokenizer", flags->tokenizer_, "tokenizer pipeline: hf (default) or openai")
      ->check(CLI::IsMember({"hf", "openai"}));
  verb.add_option("--backend", flags->options_.backend, "auto, cpu, cuda or reference")
      ->capture_default_str();
  verb.add_option("--max-batch", flags->options_.max_batch,
                  "largest batch of engines compiled on the fly")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  verb.add_flag("--as-stored", flags->options_.as_stored,
                "take a quantized checkpoint as it is: add no softmax quantizer");
  return flags;
}

api::OpenOptions ModelOptions::parsed() const {
  api::OpenOptions options = options_;
  options.precision = precision_ == "fp32" ? DType::f32 : DType::f16;
  if (!preprocess_.empty()) {
    options.preprocess =
        preprocess_ == "hf" ? data::PreprocessOrder::hf : data::PreprocessOrder::openai;
  }
  if (!tokenizer_.empty()) {
    options.tokenizer =
        tokenizer_ == "hf" ? data::TokenizerPipeline::hf : data::TokenizerPipeline::openai;
  }
  return options;
}

}  // namespace octet::cli
