// What tokenizer files may look like, which one counts, and what is said about broken ones.
#include "data/tokenizer_files.h"

#include <gtest/gtest.h>

#include "base/files.h"
#include "base/json.h"
#include "data/tokenizer.h"
#include "data/vocabulary.h"
#include "tests/expect_error.h"
#include "tests/temporary_folder.h"

namespace octet::data {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<int64_t>;
using test::expect_error;
using test::TemporaryFolder;

const fs::path kSource = OCTET_SOURCE_DIR;
const fs::path kClip = kSource / "tests/golden/tokenizer/bpe_simple_vocab_16e6.txt.gz";
const fs::path kTinyclip = kSource / "examples/tinyclip";
const fs::path kRewritten = kSource / "tests/golden/interop/random/mini-clip/modelopt-ckpt";

Tokenizer load(const fs::path& folder) {
  return Tokenizer::from_folder(folder, {});
}

/// Loading `folder` must fail as bad input with a message that holds `parts`.
void expect_refused(const TemporaryFolder& folder, const std::vector<std::string>& parts) {
  expect_error(ErrorCode::bad_input, parts, [&] { (void)load(folder.path()); });
}

Json tinyclip_json() {
  return read_json(kTinyclip / "tokenizer.json");
}

/// tinyclip's tokenizer.json after `change`, loaded.
template <typename Change>
Tokenizer load_changed(Change change) {
  const TemporaryFolder folder;
  Json json = tinyclip_json();
  change(json);
  folder.write("tokenizer.json", json.dump());
  return load(folder.path());
}

/// tinyclip's tokenizer.json after `change` must be refused.
template <typename Change>
void expect_change_refused(const std::string& part, Change change) {
  expect_error(ErrorCode::bad_input, {"octet-test", part}, [&] { load_changed(change); });
}

void copy_vocabulary(const TemporaryFolder& folder) {
  octet::copy_file(kTinyclip / "vocab.json", folder / "vocab.json");
  octet::copy_file(kTinyclip / "merges.txt", folder / "merges.txt");
}

TEST(TokenizerFiles, FolderWithoutTokenizer) {
  expect_refused(TemporaryFolder(), {"octet-test", "tokenizer.json", "vocab.json", "merges.txt"});
}

TEST(TokenizerFiles, VocabularyWithoutMerges) {
  const TemporaryFolder folder;
  octet::copy_file(kTinyclip / "vocab.json", folder / "vocab.json");
  expect_refused(folder, {"merges.txt"});
}

TEST(TokenizerFiles, VocabularyAndMergesAloneHaveTheDefaultTokens) {
  const TemporaryFolder folder;
  copy_vocabulary(folder);
  const Tokenizer tokenizer = load(folder.path());
  EXPECT_EQ(tokenizer.pad_id(), 643);
  EXPECT_EQ(tokenizer.encode("Red<|endoftext|>circle"),
            load(kTinyclip).encode("Red<|endoftext|>circle"));
}

TEST(TokenizerFiles, TokenizerJsonComesFirst) {
  const TemporaryFolder folder;
  octet::copy_file(kTinyclip / "tokenizer.json", folder / "tokenizer.json");
  folder.write("vocab.json", "broken");
  folder.write("merges.txt", "broken");
  EXPECT_EQ(load(folder.path()).vocabulary_size(), 644);
}

TEST(TokenizerFiles, PaddingTokenOfTheSpecialTokensMap) {
  const TemporaryFolder folder;
  copy_vocabulary(folder);
  folder.write("special_tokens_map.json", R"({"pad_token": "!"})");
  const Tokenizer tokenizer = load(folder.path());
  EXPECT_EQ(tokenizer.pad_id(), 0);
  // As in the reference, the padding token is cut out of texts too: "!" is 0, not "!</w>".
  EXPECT_EQ(tokenizer.encode("!"), (Ids{642, 0, 643}));
}

TEST(TokenizerFiles, NewerTokenizerConfigWins) {
  const TemporaryFolder folder;
  copy_vocabulary(folder);
  folder.write("special_tokens_map.json", R"({"pad_token": "!"})");
  folder.write("tokenizer_config.json", R"({"pad_token": {"content": "#"}})");
  EXPECT_EQ(load(folder.path()).pad_id(), 0);
  folder.write("tokenizer_config.json",
               R"({"pad_token": {"content": "#"}, "added_tokens_decoder": {}})");
  EXPECT_EQ(load(folder.path()).pad_id(), 2);
}

TEST(TokenizerFiles, PaddingOfTokenizerJson) {
  EXPECT_EQ(load_changed([](Json& json) { json["padding"] = {{"pad_id", 5}}; }).pad_id(), 5);
}

TEST(TokenizerFiles, TemplateProcessing) {
  const auto special = [](const char* name) {
    return Json{{"SpecialToken", {{"id", name}, {"type_id", 0}}}};
  };
  const Tokenizer tokenizer = load_changed([&](Json& json) {
    json["post_processor"] = {
        {"type", "TemplateProcessing"},
        {"single", {special("first"), {{"Sequence", {{"id", "A"}}}}, special("last")}},
        {"special_tokens", {{"first", {{"ids", {7}}}}, {"last", {{"ids", {8}}}}}}};
  });
  EXPECT_EQ(tokenizer.begin_id(), 7);
  EXPECT_EQ(tokenizer.end_id(), 8);
}

TEST(TokenizerFiles, AddedTokensAreCutOut) {
  const Tokenizer tokenizer = load_changed([](Json& json) {
    json["added_tokens"].push_back({{"id", 644}, {"content", "<Toy>"}});
    json["added_tokens"].push_back({{"id", 645}, {"content", "<Car>"}, {"normalized", true}});
    json["added_tokens"].push_back({{"id", 646}, {"content", "<Toy>s"}});
    json["added_tokens"].push_back({{"id", 647}, {"content", "zz"}, {"single_word", true}});
  });
  EXPECT_EQ(tokenizer.vocabulary_size(), 648);
  EXPECT_EQ(tokenizer.encode("<Toy><CAR> <Toy>s zz"), (Ids{642, 644, 645, 646, 647, 643}));
  // Case counts for what is not normalised; a single word must stand alone.
  EXPECT_EQ(tokenizer.encode("<toy> zzz"), load(kTinyclip).encode("<toy> zzz"));
}

/// Only lower case makes these look like special tokens; transformers 5 keeps them together in its
/// first split, so that the sign before them stays a word by itself.
TEST(TokenizerFiles, SpecialTokensInTheWordPattern) {
  const Ids apart = load(kRewritten).encode("<|ENDOFTEXT|>!");
  const Ids joined = load(kTinyclip).encode("<|ENDOFTEXT|>!");
  EXPECT_NE(apart, joined);
  EXPECT_EQ(apart, load(kTinyclip).encode("<|ENDOFTEXT|> !"));
}

TEST(TokenizerFiles, BrokenTokenizerJson) {
  const TemporaryFolder folder;
  folder.write("tokenizer.json", R"({"model": )");
  expect_refused(folder, {"tokenizer.json", "not valid JSON"});
  folder.write("tokenizer.json", "[]");
  expect_refused(folder, {"tokenizer.json", "not an object"});
  folder.write("tokenizer.json", "{}");
  expect_refused(folder, {"tokenizer.json", "type"});
  folder.write("tokenizer.json", R"({"model": 5})");
  expect_refused(folder, {"tokenizer.json", "type"});
}

TEST(TokenizerFiles, OtherKindsOfTokenizer) {
  expect_change_refused("Unigram", [](Json& json) { json["model"]["type"] = "Unigram"; });
  expect_change_refused("</w>", [](Json& json) { json["model"]["end_of_word_suffix"] = nullptr; });
  expect_change_refused("byte_fallback", [](Json& json) { json["model"]["byte_fallback"] = true; });
  expect_change_refused("BertNormalizer", [](Json& json) {
    json["normalizer"] = {{"type", "BertNormalizer"}};
  });
  expect_change_refused("none", [](Json& json) { json["normalizer"] = nullptr; });
  expect_change_refused("Metaspace", [](Json& json) {
    json["pre_tokenizer"] = {{"type", "Metaspace"}};
  });
  expect_change_refused("lacks 'Split'", [](Json& json) {
    json["pre_tokenizer"] = {{"type", "ByteLevel"}};
  });
  expect_change_refused(R"('\w+')", [](Json& json) {
    json["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = R"(\w+)";
  });
}

TEST(TokenizerFiles, InconsistentTokenizerJson) {
  expect_change_refused("needs token", [](Json& json) { json["model"]["vocab"].erase("ro"); });
  expect_change_refused("merge 0", [](Json& json) { json["model"]["merges"][0] = "abc"; });
  expect_change_refused("merge 0", [](Json& json) { json["model"]["merges"][0] = {"a"}; });
  expect_change_refused("shares its id", [](Json& json) { json["model"]["vocab"]["!"] = 1; });
  expect_change_refused("-3", [](Json& json) { json["model"]["vocab"]["!"] = -3; });
  expect_change_refused("1.5", [](Json& json) { json["model"]["vocab"]["!"] = 1.5; });
  expect_change_refused("in the vocabulary", [](Json& json) { json["added_tokens"][0]["id"] = 9; });
  expect_change_refused("cls", [](Json& json) { json["post_processor"]["cls"] = "x"; });
}

TEST(TokenizerFiles, MissingSpecialToken) {
  const TemporaryFolder folder;
  copy_vocabulary(folder);
  folder.write("special_tokens_map.json", R"({"eos_token": "<nowhere>"})");
  expect_refused(folder, {"octet-test", "eos_token", "<nowhere>"});
  folder.write("special_tokens_map.json", R"([])");
  expect_refused(folder, {"special_tokens_map.json"});
}

TEST(TokenizerFiles, IdWithoutToken) {
  expect_error(ErrorCode::bad_input, {"900"},
               [] { load_changed([](Json& json) { json["post_processor"]["sep"][1] = 900; }); });
}

TEST(TokenizerFiles, BrokenMerges) {
  const TemporaryFolder folder;
  const auto read = [&](std::string_view text) {
    return [path = folder.write("merges.txt", text)] { (void)read_merges(path); };
  };
  expect_error(ErrorCode::bad_input, {"merges.txt", "line 2"}, read("#version: 0.2\nabc\n"));
  expect_error(ErrorCode::bad_input, {"merges.txt", "line 1"}, read("a b c\n"));
  expect_error(ErrorCode::bad_input, {"merges.txt", "no merges"}, read("#version: 0.2\n"));
  expect_error(ErrorCode::bad_input, {"merges.txt", "no merges"}, read(""));
  expect_error(ErrorCode::bad_input, {"absent"}, [&] { (void)read_merges(folder / "absent"); });
}

TEST(TokenizerFiles, TruncatedGzip) {
  const TemporaryFolder folder;
  const std::string whole = read_text(kClip);
  const auto path = folder.write("half.txt.gz", whole.substr(0, whole.size() / 8));
  expect_error(ErrorCode::bad_input, {"half.txt.gz"}, [&] { (void)read_merges(path); });
}

TEST(TokenizerFiles, MergesMayHaveWindowsLineEnds) {
  const TemporaryFolder folder;
  const auto merges = read_merges(folder.write("merges.txt", "#version: 0.2\r\na b\r\nab c</w>"));
  EXPECT_EQ(merges, (std::vector<Merge>{{"a", "b"}, {"ab", "c</w>"}}));
}

TEST(TokenizerFiles, OnlyTheMergesThatClipUsesAreRead) {
  const auto merges = read_merges(kClip);
  ASSERT_EQ(merges.size(), 48894);
  EXPECT_EQ(merges.front(), (Merge{"i", "n"}));
  EXPECT_EQ(merges.back(), (Merge{"jeky", "ll</w>"}));
}

TEST(TokenizerFiles, TwoMergesOfOneToken) {
  const TemporaryFolder folder;
  const auto path = folder.write("merges.txt", "a b\nb c\nab c\na bc\n");
  expect_error(ErrorCode::bad_input, {"merges.txt", "abc"},
               [&] { (void)Tokenizer::from_bpe_file(path, {}); });
}

TEST(TokenizerFiles, NoRoomForTheSpecialTokens) {
  expect_error(ErrorCode::usage, {"begin and end"},
               [] { (void)Tokenizer::from_folder(kTinyclip, {.max_length = 1}); });
}

TEST(TokenizerFiles, WrittenFilesGiveTheSameTokenizer) {
  const TemporaryFolder folder;
  EXPECT_EQ(write_tokenizer_files(kClip, folder.path(), 64), 49408);
  const Tokenizer written = load(folder.path());
  const Tokenizer direct = Tokenizer::from_bpe_file(kClip, {});
  EXPECT_EQ(written.vocabulary_size(), direct.vocabulary_size());
  EXPECT_EQ(written.pad_id(), direct.pad_id());
  for (const char* text : {"A photo of a caf\xC3\xA9!", "<|endoftext|> injected", "\xE7\x8C\xAB"}) {
    EXPECT_EQ(written.encode(text), direct.encode(text)) << text;
  }
  EXPECT_EQ(read_json(folder / "tokenizer_config.json").at("model_max_length"), 64);
  EXPECT_TRUE(read_text(folder / "merges.txt").starts_with("#version: 0.2\ni n\n"));
}

TEST(TokenizerFiles, WrittenVocabularyIsTheReferences) {
  const TemporaryFolder folder;
  write_tokenizer_files(kTinyclip / "merges.txt", folder.path());
  EXPECT_EQ(read_json(folder / "vocab.json"), read_json(kTinyclip / "vocab.json"));
  EXPECT_EQ(read_text(folder / "merges.txt"), read_text(kTinyclip / "merges.txt"));
}

}  // namespace
}  // namespace octet::data
