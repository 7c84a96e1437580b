#include <memory>

#include "api/verify_model.h"
#include "base/error.h"
#include "tools/octet/model_options.h"
#include "tools/octet/numbers.h"
#include "tools/octet/output.h"
#include "tools/octet/verbs.h"

namespace octet::cli {
namespace {

struct VerifyFlags {
  std::string engine;
  std::string reference;
  std::string data;
  int64_t samples = 32;
  eval::GivenBars bars;
  std::shared_ptr<ModelOptions> options;
};

void add_row(Table& table, const eval::DriftSummary& drift) {
  table.add_row(
      {drift.name, fmt::format("{:.6f}", drift.mean_cosine),
       fmt::format("{:.6f}", drift.minimum_cosine), fmt::format("{:.1f}", drift.mean_sqnr_db),
       fmt::format("{:.4g}", drift.max_abs),
       drift.differing_codes ? fmt::format("{:.3f} %", 100 * *drift.differing_codes) : "-"});
}

void print_report(const eval::TowerReport& report) {
  print("{} tower, {} samples; every block on the reference's inputs:\n", report.tower,
        report.end_to_end.samples);
  const std::vector<std::string> heading{"value",   "mean cosine",      "minimum",
                                         "SQNR dB", "max |difference|", "other codes"};
  Table blocks(heading);
  for (const eval::DriftSummary& block : report.blocks) add_row(blocks, block);
  print_text(blocks.text());
  print("end to end:\n");
  Table end(heading);
  add_row(end, report.end_to_end);
  print_text(end.text());
  print("\n");
}

void verify(const VerifyFlags& flags, const Context& context) {
  const auto reports = api::verify_model(
      flags.engine, flags.reference.empty() ? flags.engine : flags.reference,
      {flags.data, flags.samples, flags.bars}, flags.options->parsed(), context.progress);
  OrderedJson document = OrderedJson::array();
  std::string failure;
  for (const eval::TowerReport& report : reports) {
    document.push_back(eval::to_json(report));
    if (!context.json) print_report(report);
    if (failure.empty()) failure = report.first_failure;
  }
  if (context.json) print_json(document);
  if (!failure.empty()) fail(ErrorCode::failed, "{}", failure);
}

}  // namespace

void add_verify(CLI::App& app, Context& context) {
  auto flags = std::make_shared<VerifyFlags>();
  CLI::App* verb =
      add_verb(app, context, "verify", "compare an engine with the reference, block by block",
               [flags, &context] { verify(*flags, context); });
  verb->add_option("ENGINE", flags->engine, "folder of plans, ONNX files or a checkpoint")
      ->required();
  verb->add_option(
      "--reference", flags->reference,
      "folder of the checkpoint or ONNX files to compare with (default: ENGINE's own)");
  verb->add_option("--data", flags->data, "images and captions to run")->required();
  verb->add_option("--samples", flags->samples, "samples of the dataset to run")
      ->check(positive())
      ->capture_default_str();
  verb->add_option("--block-mean", flags->bars.block_mean,
                   "bar of a block's mean cosine (cpu 0.9999, cuda 0.9995)");
  verb->add_option("--block-min", flags->bars.block_minimum,
                   "bar of a block's worst cosine (cpu 0.999, cuda 0.998)");
  verb->add_option("--end-mean", flags->bars.end_mean, "bar of the mean cosine end to end (0.998)");
  verb->add_option("--end-min", flags->bars.end_minimum,
                   "bar of the worst cosine end to end (cpu 0.995, cuda 0.99)");
  flags->options = ModelOptions::add_to(*verb);
}

}  // namespace octet::cli
