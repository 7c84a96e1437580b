#include <memory>

#include "models/create.h"
#include "tools/octet/output.h"
#include "tools/octet/verbs.h"

namespace octet::cli {
namespace {

struct CreateFlags {
  std::string architecture;
  std::string output;
  std::string dtype = "f16";
  std::string merges;
  uint64_t seed = 0;
};

void create(const CreateFlags& flags, const Context& context) {
  models::CreateOptions options{flags.seed, dtype_from_name(flags.dtype), {}};
  if (!flags.merges.empty()) options.merges = flags.merges;
  const models::ClipConfig config = models::architecture(flags.architecture);
  models::create_checkpoint(config, flags.output, options, context.progress);
  int64_t parameters = 0;
  for (const auto& tensor : models::checkpoint_tensors(config, options.dtype)) {
    parameters += element_count(tensor.shape);
  }
  if (context.json) {
    return print_json({{"architecture", flags.architecture},
                       {"folder", flags.output},
                       {"parameters", parameters},
                       {"seed", flags.seed}});
  }
  print("{}: {} with {} million random parameters (seed {})\n", flags.output, flags.architecture,
        parameters / 1'000'000, flags.seed);
}

}  // namespace

void add_create(CLI::App& app, Context& context) {
  auto flags = std::make_shared<CreateFlags>();
  CLI::App* verb =
      add_verb(app, context, "create", "write a checkpoint of a known architecture, random weights",
               [flags, &context] { create(*flags, context); });
  verb->add_option("ARCHITECTURE", flags->architecture,
                   fmt::format("one of {}", fmt::join(models::architecture_names(), ", ")))
      ->required();
  verb->add_option("-o,--output", flags->output, "folder to write")->required();
  verb->add_option("--seed", flags->seed, "seed of the weights")->capture_default_str();
  verb->add_option("--dtype", flags->dtype, "f32, f16 or bf16")
      ->check(CLI::IsMember({"f32", "f16", "bf16"}))
      ->capture_default_str();
  verb->add_option("--merges", flags->merges,
                   "CLIP's bpe_simple_vocab_16e6.txt.gz or merges.txt: writes tokenizer files too");
}

}  // namespace octet::cli
