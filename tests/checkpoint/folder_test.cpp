#include <gtest/gtest.h>

#include "base/log.h"
#include "checkpoint/checkpoint.h"
#include "tests/checkpoint/folders.h"
#include "tests/expect_error.h"

namespace octet::checkpoint {
namespace {

using test::expect_error;
using test::TemporaryFolder;

/// Two shards, a and b with one tensor each, and an index that the tests bend.
class Shards : public ::testing::Test {
 protected:
  void SetUp() override {
    folder.write("config.json", "{}");
    write_safetensors(folder / "one.safetensors", {{{"a", f32({2}, {1, 2})}}});
    write_safetensors(folder / "two.safetensors", {{{"b", f32({1}, {3})}}});
    index = {{"metadata", {{"total_size", 12}}},
             {"weight_map", {{"a", "one.safetensors"}, {"b", "two.safetensors"}}}};
    set_log_handler([this](LogLevel, const std::string& message) { warnings.push_back(message); });
  }
  void TearDown() override { set_log_handler({}); }

  Checkpoint open() {
    folder.write("model.safetensors.index.json", index.dump());
    return open_checkpoint(folder.path());
  }

  void expect_refused(const std::vector<std::string>& parts) {
    expect_error(ErrorCode::bad_input, parts, [&] { open(); });
  }

  TemporaryFolder folder;
  Json index;
  std::vector<std::string> warnings;
};

TEST_F(Shards, AreReadAsOne) {
  const Checkpoint checkpoint = open();
  ASSERT_EQ(checkpoint.tensors.size(), 2U);
  EXPECT_EQ(checkpoint.tensors.at("a"), f32({2}, {1, 2}));
  EXPECT_EQ(checkpoint.tensors.at("b"), f32({1}, {3}));
  EXPECT_FALSE(checkpoint.quantization.has_value());
  EXPECT_TRUE(warnings.empty());
  EXPECT_TRUE(holds_checkpoint(folder.path()));
}

TEST_F(Shards, OneFileComesFirst) {
  write_safetensors(folder / "model.safetensors", {{{"only", f32({1}, {7})}}});
  EXPECT_EQ(open().tensors.size(), 1U);
}

TEST_F(Shards, ThatAreNotThere) {
  std::filesystem::remove(folder / "two.safetensors");
  expect_refused({"model.safetensors.index.json", "two.safetensors", "No such file"});
}

TEST_F(Shards, NamesStayInTheFolder) {
  for (const char* name : {"sub/one.safetensors", "../one.safetensors", "/etc/passwd", "..", ".",
                           "", "sub\\one.safetensors"}) {
    SCOPED_TRACE(name);
    index["weight_map"]["a"] = name;
    expect_refused({"index.json", "not a plain file name"});
  }
}

TEST_F(Shards, TensorInTwoShards) {
  write_safetensors(folder / "two.safetensors", {{{"a", f32({1}, {3})}, {"b", f32({1}, {3})}}});
  expect_refused({"'a' is in two shards", "one.safetensors", "two.safetensors"});
}

TEST_F(Shards, TensorThatIsNotWhereTheIndexSays) {
  index["weight_map"]["c"] = "two.safetensors";
  expect_refused({"'c' is not in shard 'two.safetensors'"});
  index["weight_map"].erase("c");
  index["weight_map"]["a"] = "two.safetensors";
  expect_refused({"'a' is not in shard 'two.safetensors'"});
}

TEST_F(Shards, TensorMissingFromTheIndexIsAWarning) {
  write_safetensors(folder / "two.safetensors", {{{"b", f32({1}, {3})}, {"c", f32({1}, {4})}}});
  index["metadata"]["total_size"] = 16;
  EXPECT_EQ(open().tensors.size(), 3U);
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_NE(warnings[0].find("tensor 'c'"), std::string::npos);
}

TEST_F(Shards, WrongTotalSizeIsAWarning) {
  index["metadata"]["total_size"] = 13;
  open();
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_NE(warnings[0].find("announces 13 bytes, the shards hold 12"), std::string::npos);
}

TEST_F(Shards, IndexMustBeAnIndex) {
  index = {{"weight_map", {{"a", 7}}}};
  expect_refused({"index.json", "weight_map"});
  index = Json::array();
  expect_refused({"index.json", "weight_map"});
  index = {{"weight_map", {{"a", "one.safetensors"}}}};  // total_size may be left out
  EXPECT_EQ(open().tensors.size(), 1U);
}

TEST_F(Shards, BrokenShard) {
  folder.write("two.safetensors", "short");
  expect_refused({"two.safetensors", "5 bytes are too few"});
}

TEST(Folder, MustBeACheckpoint) {
  const TemporaryFolder folder;
  EXPECT_FALSE(holds_checkpoint(folder.path()));
  expect_error(ErrorCode::bad_input, {"absent", "not a folder"},
               [&] { open_checkpoint(folder / "absent"); });
  expect_error(ErrorCode::bad_input, {"no config.json"}, [&] { open_checkpoint(folder.path()); });
  folder.write("config.json", "[]");
  expect_error(ErrorCode::bad_input, {"config.json", "not a JSON object"},
               [&] { open_checkpoint(folder.path()); });
  folder.write("config.json", "{}");
  expect_error(ErrorCode::bad_input, {"neither model.safetensors"},
               [&] { open_checkpoint(folder.path()); });
  EXPECT_FALSE(holds_checkpoint(folder.path()));
}

TEST(Folder, PicklesAreRefusedByName) {
  const TemporaryFolder folder;
  folder.write("config.json", "{}");
  folder.write("pytorch_model.bin", "whatever");
  expect_error(ErrorCode::bad_input, {"pytorch_model.bin", "pickle", "safe_serialization"},
               [&] { open_checkpoint(folder.path()); });
}

TEST(Folder, OpenClipIsRefusedByName) {
  const TemporaryFolder folder;
  folder.write("open_clip_config.json", "{}");
  expect_error(ErrorCode::bad_input, {"OpenCLIP", "transformers"},
               [&] { open_checkpoint(folder.path()); });
}

TEST(Folder, UnknownQuantizationIsRefusedByName) {
  const TemporaryFolder folder;
  write_checkpoint(folder, {{"quantization_config", {{"quant_method", "gptq"}}}},
                   {{"x", f32({1}, {1})}});
  expect_error(ErrorCode::bad_input, {"'gptq' is not supported", "compressed-tensors"},
               [&] { open_checkpoint(folder.path()); });
}

TEST(Folder, PlainCheckpointHasNoQuantization) {
  const Checkpoint checkpoint = open_checkpoint(interop("random/mini-clip"));
  EXPECT_FALSE(checkpoint.quantization.has_value());
  EXPECT_EQ(checkpoint.config.at("model_type"), "clip");
  EXPECT_EQ(checkpoint.tensors.at("text_projection.weight").dtype(), DType::f16);
  EXPECT_EQ(checkpoint.tensors.at("text_projection.weight").shape(), (Shape{48, 64}));
}

}  // namespace
}  // namespace octet::checkpoint
