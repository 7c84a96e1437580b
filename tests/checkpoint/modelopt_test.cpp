#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "checkpoint/checkpoint.h"
#include "checkpoint/modelopt_state.h"
#include "tensor/codecs.h"
#include "tests/checkpoint/folders.h"
#include "tests/checkpoint/torch_files.h"
#include "tests/expect_error.h"

namespace octet::checkpoint {
namespace {

using test::expect_error;
using test::TemporaryFolder;
using ::testing::HasSubstr;

TEST(ModelOpt, QuantizersAndTheirAmax) {
  const Checkpoint checkpoint = open_checkpoint(interop("random/mini-clip/modelopt-ckpt"));
  ASSERT_TRUE(checkpoint.quantization);
  const StoredQuantization& stored = *checkpoint.quantization;
  EXPECT_EQ(stored.layout, QuantizationLayout::modelopt);
  EXPECT_TRUE(stored.notices.empty());
  const Json amax = read_json(interop("random/mini-clip/modelopt-ckpt/amax.json"));
  size_t outputs = 0;
  for (const auto& [name, value] : amax.items()) {
    if (name.find("bmm2_output") != std::string::npos) {
      ++outputs;
      continue;
    }
    const auto& quantizer = stored.quantizers.at(name.substr(0, name.find("._amax")));
    EXPECT_EQ(quantizer.amax, Tensor::scalar(value.get<float>())) << name;
    EXPECT_EQ(quantizer.scale, Tensor::scalar(value.get<float>() / 448.0F)) << name;
    EXPECT_EQ(quantizer.enabled, name.find("patch_embedding") == std::string::npos) << name;
    EXPECT_EQ(quantizer.before_attention_factor, name.find("q_bmm") != std::string::npos) << name;
  }
  EXPECT_EQ(outputs, 4U);
  EXPECT_EQ(stored.quantizers.size(), amax.size() - outputs);
  for (const auto& [name, tensor] : checkpoint.tensors) {
    EXPECT_EQ(name.find("_quantizer"), std::string::npos) << name;
  }
  EXPECT_EQ(checkpoint.tensors.size(), open_checkpoint(interop("random/mini-clip")).tensors.size());
}

TEST(ModelOpt, WeightsKeepTheirType) {
  const Checkpoint quantized = open_checkpoint(interop("random/mini-clip/modelopt-ckpt"));
  const Checkpoint original = open_checkpoint(interop("random/mini-clip"));
  EXPECT_EQ(quantized.tensors, original.tensors);
}

/// The readable dump beside the state is what Model Optimizer itself read from it.
void expect_state_like_dump(const std::filesystem::path& folder, size_t enabled_count) {
  const auto states = read_modelopt_state(folder / "modelopt_state.pth");
  const Json dump = read_json(folder / "modelopt_state.json");
  const Json& last = dump.at("modelopt_state_dict").back().at(1);
  const Json& expected = last.at("metadata").at("quantizer_state").at("quantizers");
  EXPECT_EQ(states.size(), expected.size());
  size_t enabled = 0;
  for (const auto& [name, quantizer] : expected.items()) {
    EXPECT_EQ(states.at(name).enabled, quantizer.at("enabled").get<bool>()) << name;
    EXPECT_EQ(states.at(name).fp8, quantizer.at("num_bits") == Json({4, 3})) << name;
    EXPECT_FALSE(states.at(name).blocks || states.at(name).dynamic_per_token) << name;
    enabled += static_cast<size_t>(states.at(name).enabled);
  }
  EXPECT_EQ(enabled, enabled_count);
}

TEST(ModelOptState, AgreesWithItsDump) {
  expect_state_like_dump(interop("random/mini-clip/modelopt-ckpt"), 52 + 16);
  expect_state_like_dump(interop("modelopt-ckpt"), 164);
}

TEST(ModelOpt, WithoutTheStateEverythingWithAnAmaxIsEnabled) {
  const TemporaryFolder folder;
  for (const char* name : {"config.json", "model.safetensors"}) {
    std::filesystem::copy(interop("random/mini-clip/modelopt-ckpt") / name, folder / name);
  }
  const Checkpoint checkpoint = open_checkpoint(folder.path());
  ASSERT_EQ(checkpoint.quantization->notices.size(), 1U);
  EXPECT_THAT(checkpoint.quantization->notices[0], HasSubstr("modelopt_state.pth"));
  for (const auto& [name, quantizer] : checkpoint.quantization->quantizers) {
    EXPECT_TRUE(quantizer.enabled) << name;
  }
}

/// What state says of a quantizer; a test changes single members.
struct State {
  bool disabled = false;
  std::string bits = pickle::pair(pickle::integer(4), pickle::integer(3));
  std::string blocks = pickle::none();
  bool dynamic = false;
};

std::string quantizer_pickle(const State& state) {
  using pickle::text;
  return pickle::dict({{text("_disabled"), pickle::boolean(state.disabled)},
                       {text("_num_bits"), state.bits},
                       {text("_block_sizes"), state.blocks},
                       {text("_dynamic"), pickle::boolean(state.dynamic)}});
}

std::string step_pickle(const std::vector<std::pair<std::string, State>>& states) {
  using pickle::text;
  std::vector<std::pair<std::string, std::string>> quantizers;
  quantizers.reserve(states.size());
  for (const auto& [name, state] : states) {
    quantizers.emplace_back(text(name), quantizer_pickle(state));
  }
  const auto metadata = pickle::dict({{text("quantizer_state"), pickle::dict(quantizers)}});
  return pickle::pair(text("quantize"), pickle::dict({{text("metadata"), metadata}}));
}

std::string state_pickle(const std::vector<std::string>& steps) {
  return pickle::file(pickle::dict({{pickle::text("modelopt_state_dict"), pickle::list(steps)}}));
}

/// A folder with one module and one attention block, all amax there.
class ModelOptFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    tensors = {{"fc.weight", counting(DType::f16, {4, 8})},
               {"fc.weight_quantizer._amax", Tensor::scalar(448.0F)},
               {"fc.input_quantizer._amax", Tensor::scalar(2.0F)},
               {"attn.out_proj.weight", counting(DType::f16, {4, 4})},
               {"attn.out_proj.input_quantizer._amax", Tensor::scalar(3.0F)},
               {"attn.bmm2_output_quantizer._amax", Tensor::scalar(3.0F)}};
    for (const char* name : {"fc.weight_quantizer", "fc.input_quantizer",
                             "attn.out_proj.input_quantizer", "attn.bmm2_output_quantizer"}) {
      states.emplace_back(name, State{});
    }
  }

  StoredQuantization open() {
    write_checkpoint(folder, Json::object(), tensors);
    write_zip(folder / "modelopt_state.pth",
              {{"modelopt_state/data.pkl", state_pickle({step_pickle(states)})}});
    return *open_checkpoint(folder.path()).quantization;
  }

  void expect_refused(const std::vector<std::string>& parts) {
    expect_error(ErrorCode::bad_input, parts, [&] { open(); });
  }

  TemporaryFolder folder;
  std::vector<NamedTensor> tensors;
  std::vector<std::pair<std::string, State>> states;
};

TEST_F(ModelOptFolder, OpensAsItIs) {
  const auto stored = open();
  EXPECT_TRUE(stored.notices.empty());
  EXPECT_EQ(stored.quantizers.size(), 3U);
  EXPECT_EQ(stored.quantizers.at("fc.weight_quantizer").scale, Tensor::scalar(1.0F));
}

TEST_F(ModelOptFolder, TheLastStepCounts) {
  auto earlier = states;
  states[1].second.disabled = true;
  write_checkpoint(folder, Json::object(), tensors);
  write_zip(
      folder / "modelopt_state.pth",
      {{"modelopt_state/data.pkl", state_pickle({step_pickle(earlier), step_pickle(states)})}});
  const auto stored = *open_checkpoint(folder.path()).quantization;
  EXPECT_FALSE(stored.quantizers.at("fc.input_quantizer").enabled);
  EXPECT_TRUE(stored.quantizers.at("fc.weight_quantizer").enabled);
}

TEST_F(ModelOptFolder, AttentionOutputsThatDisagree) {
  tensors[5].tensor = Tensor::scalar(4.0F);
  const auto stored = open();
  ASSERT_EQ(stored.notices.size(), 1U);
  EXPECT_THAT(stored.notices[0], HasSubstr("different amax"));
  EXPECT_EQ(stored.quantizers.at("attn.out_proj.input_quantizer").amax, Tensor::scalar(3.0F));
}

TEST_F(ModelOptFolder, AttentionOutputAloneIsTheInputOfOutProj) {
  states[2].second.disabled = true;
  const auto stored = open();
  EXPECT_TRUE(stored.quantizers.at("attn.out_proj.input_quantizer").enabled);
  ASSERT_EQ(stored.notices.size(), 1U);
  EXPECT_THAT(stored.notices[0], HasSubstr("attn.bmm2_output_quantizer"));

  states[3].second.disabled = true;
  EXPECT_FALSE(open().quantizers.at("attn.out_proj.input_quantizer").enabled);
}

TEST_F(ModelOptFolder, PerChannelWeights) {
  tensors[1].tensor = f32({4, 1}, {1, 2, 3, 0});
  const auto stored = open();
  const auto& quantizer = stored.quantizers.at("fc.weight_quantizer");
  EXPECT_EQ(quantizer.amax, f32({4}, {1, 2, 3, 0}));
  EXPECT_EQ(quantizer.scale, f32({4}, {1 / 448.0F, 2 / 448.0F, 3 / 448.0F, 1 / 448.0F}));
  tensors[1].tensor = f32({3}, {1, 2, 3});
  expect_refused({"fc.weight_quantizer._amax", "3 values"});
  tensors[1].tensor = f32({2, 2}, {1, 2, 3, 4});
  expect_refused({"fc.weight_quantizer._amax", "[2, 2]"});
}

TEST_F(ModelOptFolder, InputsHaveOneAmax) {
  tensors[2].tensor = f32({2}, {1, 2});
  expect_refused({"fc.input_quantizer._amax", "an activation has one"});
}

TEST_F(ModelOptFolder, UnusableAmax) {
  for (const float amax : {-1.0F, NAN, INFINITY}) {
    tensors[2].tensor = Tensor::scalar(amax);
    expect_refused({"fc.input_quantizer._amax", "unusable"});
  }
}

TEST_F(ModelOptFolder, OtherFormatsAreRefusedWhereEnabled) {
  states[1].second.bits = pickle::integer(8);
  expect_refused({"fc.input_quantizer", "supported is FP8 (4, 3)"});
  states[1].second.disabled = true;
  EXPECT_NO_THROW(open());
  states[1].second = {};
  states[1].second.blocks = pickle::dict({{pickle::integer(-1), pickle::integer(16)}});
  expect_refused({"fc.input_quantizer", "one scale per tensor"});
}

TEST_F(ModelOptFolder, DynamicPerToken) {
  states[1].second.dynamic = true;
  states[1].second.blocks = pickle::dict({{pickle::integer(-1), pickle::none()}});
  tensors.erase(tensors.begin() + 2);
  const auto stored = open();
  EXPECT_TRUE(stored.quantizers.at("fc.input_quantizer").dynamic_per_token);
}

TEST_F(ModelOptFolder, EnabledWithoutAmaxIsNotCalibrated) {
  tensors.erase(tensors.begin() + 2);
  expect_refused({"fc.input_quantizer", "enabled, but there is no", "calibrate"});
}

TEST_F(ModelOptFolder, QuantizersThatHaveNoPlaceAreNotices) {
  states.emplace_back("fc.output_quantizer", State{});
  const auto stored = open();
  ASSERT_EQ(stored.notices.size(), 1U);
  EXPECT_THAT(stored.notices[0], HasSubstr("fc.output_quantizer"));
}

TEST_F(ModelOptFolder, QuantizersThatTheStateDoesNotNameAreNotices) {
  states.erase(states.begin());
  const auto stored = open();
  EXPECT_TRUE(stored.quantizers.at("fc.weight_quantizer").enabled);
  ASSERT_EQ(stored.notices.size(), 1U);
  EXPECT_THAT(stored.notices[0], HasSubstr("does not mention 'fc.weight_quantizer'"));
}

TEST_F(ModelOptFolder, OtherBuffersAreRefused) {
  tensors.push_back({"fc.input_quantizer._pre_quant_scale", Tensor::scalar(1.0F)});
  expect_refused({"fc.input_quantizer._pre_quant_scale", "not supported"});
}

/// Writes the state's archive as given and opens the folder.
void expect_bad_state(const std::vector<std::pair<std::string, std::string>>& entries,
                      const std::vector<std::string>& parts) {
  const TemporaryFolder folder;
  const auto path = folder / "modelopt_state.pth";
  write_zip(path, entries);
  auto all = parts;
  all.emplace_back("modelopt_state.pth");
  expect_error(ErrorCode::bad_input, all, [&] { read_modelopt_state(path); });
}

TEST(ModelOptState, NothingIsExecuted) {
  using namespace std::literals;
  expect_bad_state({{"m/data.pkl", "\x80\2cos\nsystem\nX\4\0\0\0true\x85R."s}}, {"'os system'"});
  expect_bad_state({{"m/data.pkl", "\x80\2ctorch\nload\n."s}}, {"'torch load'"});
  expect_bad_state({{"m/data.pkl", "\x80\2U\1aQ."s}}, {"opcode 0x51"});
}

TEST(ModelOptState, BrokenArchives) {
  const TemporaryFolder folder;
  expect_error(ErrorCode::bad_input, {"a.pth", "not an archive"},
               [&] { read_modelopt_state(folder.write("a.pth", "no zip at all")); });
  expect_error(ErrorCode::bad_input, {"b.pth"},
               [&] { read_modelopt_state(folder.write("b.pth", "")); });
  expect_bad_state({{"m/other.pkl", "x"}}, {"no data.pkl"});
  expect_bad_state({{"a/data.pkl", pickle::file("N")}, {"b/data.pkl", pickle::file("N")}},
                   {"two files data.pkl"});
}

TEST(ModelOptState, TruncatedArchives) {
  const std::string whole = read_text(interop("modelopt-ckpt/modelopt_state.pth"));
  const TemporaryFolder folder;
  for (const double share : {0.1, 0.5, 0.99}) {
    const auto size = static_cast<size_t>(share * static_cast<double>(whole.size()));
    const auto path = folder.write("cut.pth", std::string_view(whole).substr(0, size));
    expect_error(ErrorCode::bad_input, {"cut.pth"}, [&] { read_modelopt_state(path); });
  }
}

TEST(ModelOptState, BrokenStructure) {
  using pickle::dict;
  using pickle::text;
  const auto expect = [](const std::string& value, const std::string& reason) {
    expect_bad_state({{"m/data.pkl", pickle::file(value)}}, {reason});
  };
  expect("N", "'modelopt_state_dict' is missing");
  expect(dict({{text("modelopt_state_dict"), "N"}}), "no quantization step");
  expect(dict({{text("modelopt_state_dict"), pickle::list({})}}), "no quantization step");
  expect(dict({{text("modelopt_state_dict"), pickle::list({"N"})}}), "no pair");
  const auto step = [](const std::string& metadata) {
    const auto entry = pickle::pair(text("q"), dict({{text("metadata"), metadata}}));
    return dict({{text("modelopt_state_dict"), pickle::list({entry})}});
  };
  expect(step("N"), "'quantizer_state' is missing");
  expect(step(dict({{text("quantizer_state"), "N"}})), "no dictionary");
  expect(step(dict({{text("quantizer_state"), dict({{text("x"), dict({})}})}})),
         "'_disabled' is missing");
}

}  // namespace
}  // namespace octet::checkpoint
