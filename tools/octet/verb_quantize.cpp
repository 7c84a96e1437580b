#include <memory>
#include <optional>

#include "api/backends.h"
#include "api/model_folder.h"
#include "octet/version.h"
#include "quant/quantize.h"
#include "tools/octet/numbers.h"
#include "tools/octet/output.h"
#include "tools/octet/verbs.h"

namespace octet::cli {
namespace {

namespace fs = std::filesystem;

struct QuantizeFlags {
  std::string model;
  std::string recipe = "fp8";
  std::vector<std::string> data;
  std::vector<std::string> disabled;
  std::string calibrator;
  std::string preprocess;
  std::string backend = "auto";
  std::string output;
  quant::CalibrationOptions calibration;
  int64_t batch = 8;
  bool dry_run = false;
};

quant::Recipe open_recipe(const QuantizeFlags& flags) {
  quant::Recipe recipe = quant::open_recipe(flags.recipe);
  if (!flags.calibrator.empty()) {
    quant::set_calibrator(recipe, quant::parse_calibrator(flags.calibrator));
  }
  for (const std::string& pattern : flags.disabled) quant::disable(recipe, pattern);
  return recipe;
}

std::optional<quant::CalibrationData> open_data(const QuantizeFlags& flags,
                                                const models::ClipModel& model) {
  if (flags.data.empty()) return std::nullopt;
  quant::CalibrationOptions options = flags.calibration;
  if (!flags.preprocess.empty()) {
    options.preprocess =
        flags.preprocess == "hf" ? data::PreprocessOrder::hf : data::PreprocessOrder::openai;
  }
  return quant::CalibrationData::open(model, {flags.data.begin(), flags.data.end()}, options);
}

void print_table(const quant::Resolved& resolved, const quant::SolvedScales& scales, bool json) {
  if (json) return print_json(quant::to_json(resolved, scales));
  print_text(quant::to_text(resolved, scales));
}

void quantize(const QuantizeFlags& flags, const Context& context) {
  const quant::Recipe recipe = open_recipe(flags);
  const models::ClipModel model(checkpoint::open_checkpoint(api::checkpoint_folder(flags.model)));
  const quant::Resolved resolved = quant::resolve(recipe, quant::find_points(model));
  if (flags.dry_run) return print_table(resolved, {}, context.json);
  if (flags.output.empty()) fail(ErrorCode::usage, "say where to write: -o FOLDER (or --dry-run)");
  std::optional<quant::CalibrationData> data = open_data(flags, model);
  quant::check_target(model, flags.output);
  const quant::QuantizedModel quantized =
      quant::quantize(model, resolved, data ? &*data : nullptr,
                      api::calibration_backend(flags.backend), {flags.batch, context.progress});
  quant::save_quantized_model(quantized, model, flags.output, OCTET_VERSION);
  print_table(quantized.resolved, quantized.scales, context.json);
}

void add_data_flags(CLI::App& verb, QuantizeFlags& flags) {
  verb.add_option("--calib", flags.data,
                  "calibration data: COCO captions, an image folder, a webdataset, or a text file "
                  "with a caption a line; may be given more than once")
      ->allow_extra_args(false);
  verb.add_option("--calib-size", flags.calibration.size, "samples for each tower")
      ->check(positive())
      ->capture_default_str();
  verb.add_option("--seed", flags.calibration.seed, "chooses the samples")->capture_default_str();
  verb.add_flag("--strict", flags.calibration.strict, "an unreadable image is an error");
  verb.add_option("--preprocess", flags.preprocess,
                  "image preprocessing order instead of the folder's own: hf or openai")
      ->check(CLI::IsMember({"hf", "openai"}));
  verb.add_option("--batch", flags.batch, "samples in one run; never changes the result")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
}

}  // namespace

void add_quantize(CLI::App& app, Context& context) {
  auto flags = std::make_shared<QuantizeFlags>();
  CLI::App* verb = add_verb(app, context, "quantize",
                            "calibrate a checkpoint on data and write the quantized checkpoint",
                            [flags, &context] { quantize(*flags, context); });
  verb->add_option("CHECKPOINT", flags->model, "folder of a checkpoint")->required();
  verb->add_option(
          "--recipe", flags->recipe,
          fmt::format("a file, or one of {}", fmt::join(quant::builtin_recipe_names(), ", ")))
      ->capture_default_str();
  verb->add_option("--disable", flags->disabled,
                   "switch off quantizers that match this glob; may be given more than once")
      ->allow_extra_args(false);
  verb->add_option("--calibrator", flags->calibrator,
                   "max, percentile[:P], entropy or mse, instead of the recipe's");
  add_data_flags(*verb, *flags);
  verb->add_option("--backend", flags->backend, "auto, cpu, cuda or reference")
      ->capture_default_str();
  verb->add_option("-o,--output", flags->output, "folder to write");
  verb->add_flag("--dry-run", flags->dry_run, "print what would be quantized; needs no data");
}

}  // namespace octet::cli
