// Both pipelines against ids that the reference tokenizers gave.
#include "data/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/json.h"
#include "checkpoint/safetensors.h"
#include "tests/data/sha256.h"

namespace octet::data {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<int64_t>;
using ::testing::Each;
using ::testing::ElementsAre;

const fs::path kSource = OCTET_SOURCE_DIR;
const fs::path kGolden = kSource / "tests/golden/tokenizer";
const fs::path kTinyclip = kSource / "examples/tinyclip";
/// tinyclip's tokenizer as transformers 5 writes it.
const fs::path kRewritten = kSource / "tests/golden/interop/random/mini-clip/modelopt-ckpt";
constexpr size_t kContext = 77;

const Tokenizer& clip(TokenizerPipeline pipeline) {
  static const fs::path file = kGolden / "bpe_simple_vocab_16e6.txt.gz";
  static const Tokenizer hf = Tokenizer::from_bpe_file(file, {.pipeline = TokenizerPipeline::hf});
  static const Tokenizer openai =
      Tokenizer::from_bpe_file(file, {.pipeline = TokenizerPipeline::openai});
  return pipeline == TokenizerPipeline::hf ? hf : openai;
}

Ids padded(Ids ids, int64_t pad) {
  ids.resize(kContext, pad);
  return ids;
}

struct Pipeline {
  TokenizerPipeline pipeline;
  const char* golden;  ///< the member of golden files that holds its ids
  friend void PrintTo(const Pipeline& self, std::ostream* out) { *out << self.golden; }
};

class TokenizerReference : public ::testing::TestWithParam<Pipeline> {
 protected:
  [[nodiscard]] const Tokenizer& tokenizer() const { return clip(GetParam().pipeline); }

  /// Checks every case of a golden file; the number of cases.
  [[nodiscard]] size_t check_cases(const char* file) const {
    const Json golden = read_json(kGolden / file);
    for (const Json& entry : golden.at("cases")) {
      const auto text = entry.at("text").get<std::string>();
      EXPECT_EQ(tokenizer().encode(text), entry.at(GetParam().golden).get<Ids>())
          << testing::PrintToString(text);
    }
    return golden.at("cases").size();
  }
};

TEST_P(TokenizerReference, GoldenTexts) {
  EXPECT_EQ(check_cases("golden_tokens.json"), 78);
}

TEST_P(TokenizerReference, RandomUnicodeTexts) {
  EXPECT_EQ(check_cases("unicode_tokens.json"), 165);
}

/// Class names in the outer loop, templates in the inner one.
std::vector<std::string> prompts(const Json& names, const Json& templates) {
  std::vector<std::string> all;
  for (const std::string name : names) {
    for (std::string prompt : templates) {
      for (size_t at = prompt.find("{c}"); at != std::string::npos; at = prompt.find("{c}")) {
        prompt.replace(at, 3, name);
      }
      all.push_back(std::move(prompt));
    }
  }
  return all;
}

TEST_P(TokenizerReference, PromptsOfSeventeenDatasets) {
  const Json names = read_json(kGolden / "en_classnames.json");
  const Json templates = read_json(kGolden / "en_zeroshot_classification_templates.json");
  const Json checksums = read_json(kGolden / "prompt_token_checksums.json");
  size_t total = 0;
  for (const auto& [dataset, expected] : checksums.items()) {
    const auto all = prompts(names.at(dataset), templates.at(expected.at("templates_key")));
    std::vector<int32_t> ids;
    for (const std::string& prompt : all) {
      const Ids row = padded(tokenizer().encode(prompt), 0);
      ids.insert(ids.end(), row.begin(), row.end());
    }
    EXPECT_EQ(all.size(), expected.at("prompts").get<size_t>());
    EXPECT_EQ(sha256(std::as_bytes(std::span(ids))), expected.at("sha256_int32le_77_pad0"))
        << dataset;
    total += all.size();
  }
  EXPECT_EQ(total, 93126);
}

TEST_P(TokenizerReference, IdsOfTheSpecialTokens) {
  EXPECT_EQ(tokenizer().vocabulary_size(), 49408);
  EXPECT_EQ(tokenizer().begin_id(), 49406);
  EXPECT_EQ(tokenizer().end_id(), 49407);
  EXPECT_EQ(tokenizer().pad_id(), 49407);
  EXPECT_EQ(tokenizer().options().max_length, 77);
}

TEST_P(TokenizerReference, InvalidUtf8IsReplacedNotRefused) {
  const std::string replaced = "a \xEF\xBF\xBD b";
  EXPECT_EQ(tokenizer().encode("a \xFF b"), tokenizer().encode(replaced));
  EXPECT_EQ(tokenizer().encode("a \xE2\x82 b"), tokenizer().encode(replaced));
}

TEST_P(TokenizerReference, EmptyTextAndNulBytes) {
  EXPECT_THAT(tokenizer().encode(""), ElementsAre(49406, 49407));
  EXPECT_THAT(tokenizer().encode(std::string_view("\0", 1)), ElementsAre(49406, 444, 49407));
}

TEST_P(TokenizerReference, ExactlyFullTextIsNotTruncated) {
  std::string text;
  for (size_t i = 0; i + 2 < kContext; ++i) text += "dog ";
  bool truncated = true;
  EXPECT_EQ(tokenizer().encode(text, &truncated).size(), kContext);
  EXPECT_FALSE(truncated);
  const Ids cut = tokenizer().encode(text + "cat", &truncated);
  EXPECT_TRUE(truncated);
  EXPECT_EQ(cut, tokenizer().encode(text));
}

/// Quadratic merging or mark ordering would take hours here.
TEST_P(TokenizerReference, MegabyteWordsAreNoDenialOfService) {
  constexpr size_t kMegabyte = 1 << 20;
  std::string marks = "a";
  while (marks.size() < kMegabyte) marks += "\xCC\x81\xCC\xA7";  // classes 230, 202
  std::string sigmas;
  while (sigmas.size() < kMegabyte) sigmas += "\xCE\xA3'";
  for (const std::string& text : {std::string(kMegabyte, 'x'), std::string(kMegabyte, '&'),
                                  std::string(kMegabyte, '<'), marks, sigmas}) {
    bool truncated = false;
    EXPECT_EQ(tokenizer().encode(text, &truncated).size(), kContext);
    EXPECT_TRUE(truncated);
  }
}

INSTANTIATE_TEST_SUITE_P(Pipelines, TokenizerReference,
                         ::testing::Values(Pipeline{TokenizerPipeline::hf, "hf_fast_ids"},
                                           Pipeline{TokenizerPipeline::openai, "openai_ids"}));

/// The texts of tinyclip's reference activations and their ids.
void expect_tinyclip_ids(const Tokenizer& tokenizer) {
  const auto file =
      checkpoint::read_safetensors(kSource / "tests/golden/tinyclip/golden.safetensors");
  const Json texts = parse_json(file.metadata.at("texts"), "texts");
  ASSERT_EQ(texts.size(), 64);
  const auto expected = file.tensors.at("input_ids").values<int64_t>();
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto row = expected.subspan(i * kContext, kContext);
    EXPECT_EQ(padded(tokenizer.encode(texts[i].get<std::string>()), tokenizer.pad_id()),
              Ids(row.begin(), row.end()))
        << texts[i];
  }
}

TEST(Tinyclip, TokenizerJson) {
  const Tokenizer tokenizer = Tokenizer::from_folder(kTinyclip, {});
  EXPECT_EQ(tokenizer.begin_id(), 642);
  EXPECT_EQ(tokenizer.end_id(), 643);
  EXPECT_EQ(tokenizer.pad_id(), 643);
  EXPECT_EQ(tokenizer.vocabulary_size(), 644);
  expect_tinyclip_ids(tokenizer);
}

TEST(Tinyclip, TokenizerJsonOfTransformers5) {
  expect_tinyclip_ids(Tokenizer::from_folder(kRewritten, {}));
}

TEST(Tinyclip, MergesAlone) {
  expect_tinyclip_ids(Tokenizer::from_bpe_file(kTinyclip / "merges.txt", {}));
}

TEST(Tinyclip, OpenAiPipeline) {
  expect_tinyclip_ids(Tokenizer::from_folder(kTinyclip, {.pipeline = TokenizerPipeline::openai}));
}

TEST(Tokenizer, CutsAtTheChosenLength) {
  const auto tokenizer = Tokenizer::from_folder(kTinyclip, {.max_length = 2});
  bool truncated = false;
  EXPECT_THAT(tokenizer.encode("red circle", &truncated), ElementsAre(642, 643));
  EXPECT_TRUE(truncated);
}

TEST(Tokenizer, EncodesTheSameFromSeveralThreads) {
  const Tokenizer& tokenizer = clip(TokenizerPipeline::hf);
  const Ids expected = tokenizer.encode("a photo of a cat");
  std::vector<Ids> results(4);
  {
    std::vector<std::jthread> threads;
    threads.reserve(results.size());
    for (Ids& result : results) {
      threads.emplace_back([&] { result = tokenizer.encode("a photo of a cat"); });
    }
  }
  EXPECT_THAT(results, Each(expected));
}

}  // namespace
}  // namespace octet::data
