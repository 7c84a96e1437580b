#include <filesystem>
#include <memory>

#include "api/artifacts.h"
#include "tools/octet/model_options.h"
#include "tools/octet/numbers.h"
#include "tools/octet/output.h"
#include "tools/octet/verbs.h"

namespace octet::cli {
namespace {

struct ExportFlags {
  std::string model;
  std::string output;
  std::vector<std::string> calibration;
  quant::CalibrationOptions calibration_options;
  std::shared_ptr<ModelOptions> options;
};

void export_checkpoint(const ExportFlags& flags, const Context& context) {
  models::ClipModel model(checkpoint::open_checkpoint(api::checkpoint_folder(flags.model)));
  if (!flags.calibration.empty()) {
    model = api::with_static_scales(model, {flags.calibration.begin(), flags.calibration.end()},
                                    flags.calibration_options, context.progress);
  }
  const auto files =
      api::export_model(model, flags.output, flags.options->parsed(), context.progress);
  OrderedJson document = OrderedJson::array();
  for (const auto& file : files) {
    const uint64_t size = std::filesystem::file_size(file);
    document.push_back({{"file", file.string()}, {"bytes", size}});
    if (!context.json) print("{}  {}\n", file.string(), size_text(size));
  }
  if (context.json) print_json(document);
}

}  // namespace

void add_export(CLI::App& app, Context& context) {
  auto flags = std::make_shared<ExportFlags>();
  CLI::App* verb = add_verb(app, context, "export", "write a checkpoint's towers as ONNX files",
                            [flags, &context] { export_checkpoint(*flags, context); });
  verb->add_option("MODEL", flags->model, "folder of a checkpoint")->required();
  verb->add_option("-o,--output", flags->output, "folder to write")->required();
  verb->add_option(
      "--calib", flags->calibration,
      "data that makes activation scales static where the checkpoint has dynamic ones");
  verb->add_option("--calib-size", flags->calibration_options.size, "samples for each tower")
      ->check(positive())
      ->capture_default_str();
  flags->options = ModelOptions::add_to(*verb);
}

}  // namespace octet::cli
