#include <memory>

#include "api/deploy.h"
#include "base/error.h"
#include "base/files.h"
#include "tools/octet/model_options.h"
#include "tools/octet/numbers.h"
#include "tools/octet/output.h"
#include "tools/octet/verbs.h"

namespace octet::cli {
namespace {

struct DeployFlags {
  std::string checkpoint;
  std::string output;
  std::vector<std::string> calibration;
  std::string evaluation;
  api::DeployOptions deploy;
  std::shared_ptr<ModelOptions> options;
};

std::string figure_text(const api::DeployFigure& figure, const std::string& precision) {
  const auto found = figure.values.find(precision);
  if (found == figure.values.end()) return "-";
  return figure.unit.empty() ? fmt::format("{:.4f}", found->second)
                             : fmt::format("{:.2f} {}", found->second, figure.unit);
}

/// Sizes and times as a factor, shares as a difference.
std::string change_text(const api::DeployFigure& figure) {
  const auto before = figure.values.find("fp16");
  const auto after = figure.values.find("fp8");
  if (before == figure.values.end() || after == figure.values.end()) return "-";
  return figure.unit.empty() ? fmt::format("{:+.4f}", after->second - before->second)
                             : fmt::format("{:.2f} x", after->second / before->second);
}

std::string table_text(const api::DeployReport& report) {
  std::vector<std::string> heading{"figure"};
  heading.insert(heading.end(), report.precisions.begin(), report.precisions.end());
  heading.emplace_back("change");
  Table table(heading);
  for (const api::DeployFigure& figure : report.figures) {
    std::vector<std::string> row{figure.name};
    for (const std::string& precision : report.precisions) {
      row.push_back(figure_text(figure, precision));
    }
    row.push_back(change_text(figure));
    table.add_row(std::move(row));
  }
  std::string text = table.text();
  for (const eval::TowerReport& tower : report.verification) {
    double worst = 1;
    for (const auto& block : tower.blocks) worst = std::min(worst, block.minimum_cosine);
    text += fmt::format(
        "verified: {} FP8 engine against the reference, {} samples: worst block cosine {:.6f}, end "
        "to end mean {:.6f}, minimum {:.6f}\n",
        tower.tower, tower.end_to_end.samples, worst, tower.end_to_end.mean_cosine,
        tower.end_to_end.minimum_cosine);
  }
  return text;
}

void run_deploy(DeployFlags& flags, const Context& context) {
  flags.deploy.calibration.assign(flags.calibration.begin(), flags.calibration.end());
  flags.deploy.evaluation = flags.evaluation;
  flags.deploy.open = flags.options->parsed();
  flags.deploy.max_batch = flags.deploy.open.max_batch;
  flags.deploy.calibration_options.preprocess = flags.deploy.open.preprocess;
  const std::filesystem::path folder = flags.output;
  const auto report = api::deploy(flags.checkpoint, folder, flags.deploy, context.progress);
  const std::string text = table_text(report);
  const OrderedJson document = api::to_json(report);
  write_text(folder / "report.txt", text);
  write_text(folder / "report.json", document.dump(2) + "\n");
  context.json ? print_json(document) : print_text(text);
  if (const std::string failure = report.first_failure(); !failure.empty()) {
    fail(ErrorCode::failed, "{}", failure);
  }
}

}  // namespace

void add_deploy(CLI::App& app, Context& context) {
  auto flags = std::make_shared<DeployFlags>();
  CLI::App* verb =
      add_verb(app, context, "deploy", "quantize, export, build, verify and evaluate in one go",
               [flags, &context] { run_deploy(*flags, context); });
  verb->add_option("CHECKPOINT", flags->checkpoint, "folder of a checkpoint")->required();
  verb->add_option("--calib", flags->calibration, "calibration data (see quantize)");
  verb->add_option("--eval", flags->evaluation,
                   "evaluation data, or a folder with zeroshot/ and retrieval/");
  verb->add_option("-o,--output", flags->output, "folder to write")->required();
  verb->add_option("--recipe", flags->deploy.recipe, "a built-in recipe or a file")
      ->capture_default_str();
  auto& calibration = flags->deploy.calibration_options;
  verb->add_option("--calib-size", calibration.size, "samples for each tower")
      ->check(positive())
      ->capture_default_str();
  verb->add_option("--seed", calibration.seed, "chooses the samples")->capture_default_str();
  verb->add_flag("--strict", calibration.strict, "an unreadable image is an error");
  verb->add_option("--verify-samples", flags->deploy.verify_samples,
                   "samples that the FP8 engines are verified on")
      ->check(positive())
      ->capture_default_str();
  flags->options = ModelOptions::add_to(*verb);
}

}  // namespace octet::cli
