// Weights beside the model: only regular files inside its own folder, only bytes they have.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <array>
#include <filesystem>
#include <string>

#include "tests/onnx/model_bytes.h"
#include "tests/temporary_folder.h"

namespace octet::onnx {
namespace {

namespace fs = std::filesystem;

using Entries = std::vector<std::pair<std::string_view, std::string_view>>;

/// A model whose weight w [2] FLOAT lies where `entries` say.
std::string model_with(const Entries& entries) {
  Message weight = tensor_message("w", kFloat, {2});
  for (const auto& [key, value] : entries) {
    weight.add(tensor::kExternalData, Message().add(entry::kKey, key).add(entry::kValue, value));
  }
  weight.add(tensor::kDataLocation, tensor::kLocationExternal);
  return model_bytes(graph_message()
                         .add(graph::kNode, node_message("Mul", {"x", "w"}, {"y"}))
                         .add(graph::kInitializer, weight));
}

/// 15 bytes: the weight 0.5, -2 at offset 4 with something around it.
std::string data_file() {
  const std::array<float, 2> values{0.5F, -2.0F};
  return "pad!" + std::string(reinterpret_cast<const char*>(values.data()), sizeof(values)) + "end";
}

class ExternalData : public ::testing::Test {
 protected:
  void SetUp() override {
    folder.write("model/data", data_file());
    folder.write("model/inner/data", data_file());
    folder.write("outside", data_file());
  }
  [[nodiscard]] fs::path model() const { return folder / "model"; }
  void accepted(const Entries& entries) const {
    const ImportResult result = import_text(model_with(entries), {}, model());
    const Tensor& w = *result.graph.value(*result.graph.find_value("w")).constant;
    EXPECT_THAT(w.values<float>(), ::testing::ElementsAre(0.5F, -2.0F));
  }
  void refused(const Entries& entries, const std::string& reason) const {
    expect_refused(model_with(entries), "initializer 'w': ", model());
    expect_refused(model_with(entries), reason, model());
  }

  test::TemporaryFolder folder;
};

TEST_F(ExternalData, IsFoundBesideTheModel) {
  accepted({{"location", "data"}, {"offset", "4"}, {"length", "8"}});
  accepted({{"location", "data"}, {"offset", "4"}});
  accepted({{"location", "./data"}, {"offset", "4"}, {"checksum", "0123"}});
  accepted({{"location", "inner/data"}, {"offset", "4"}});
}

TEST_F(ExternalData, ReadOffItsAlignment) {
  folder.write("model/odd", data_file().substr(1));
  accepted({{"location", "odd"}, {"offset", "3"}, {"length", "8"}});
}

TEST_F(ExternalData, OutsideTheFolder) {
  refused({{"location", "../outside"}}, "not a path below");
  refused({{"location", "inner/../../outside"}}, "not a path below");
  refused({{"location", "inner/../data"}}, "not a path below");
  refused({{"location", (folder / "outside").string()}}, "not a path below");
  refused({{"location", "/dev/zero"}}, "not a path below");
  refused({{"location", std::string_view("data\0x", 6)}}, "control character");
  refused({{"location", ""}}, "no location");
  refused({}, "no location");
}

TEST_F(ExternalData, Links) {
  fs::create_symlink(folder / "outside", model() / "link");
  fs::create_symlink("data", model() / "harmless_link");
  fs::create_directory_symlink(folder.path(), model() / "folder_link");
  fs::create_hard_link(folder / "outside", model() / "hard_link");
  refused({{"location", "link"}}, "symbolic link");
  refused({{"location", "harmless_link"}}, "symbolic link");
  refused({{"location", "folder_link/outside"}}, "symbolic link");
  refused({{"location", "hard_link"}}, "hard link");
}

TEST_F(ExternalData, NoRegularFile) {
  ASSERT_EQ(::mkfifo((model() / "pipe").c_str(), 0600), 0);
  refused({{"location", "pipe"}}, "not a regular file");
  refused({{"location", "inner"}}, "not a regular file");
  refused({{"location", "missing"}}, "cannot open");
}

TEST_F(ExternalData, BeyondTheEnd) {
  refused({{"location", "data"}, {"offset", "8"}}, "which has 15 only");
  refused({{"location", "data"}, {"offset", "16"}}, "which has 15 only");
  refused({{"location", "data"}, {"offset", "18446744073709551612"}}, "which has 15 only");
  refused({{"location", "data"}, {"length", "7"}}, "has 7 bytes");
  refused({{"location", "data"}, {"length", "1000000000000000000"}}, "bytes, its type and shape");
}

TEST_F(ExternalData, Numbers) {
  refused({{"location", "data"}, {"offset", "-4"}}, "no count of bytes");
  refused({{"location", "data"}, {"offset", "4x"}}, "no count of bytes");
  refused({{"location", "data"}, {"offset", ""}}, "no count of bytes");
  refused({{"location", "data"}, {"length", "99999999999999999999"}}, "no count of bytes");
  refused({{"location", "data"}, {"colour", "blue"}}, "unknown key 'colour'");
}

TEST_F(ExternalData, AlsoInAttributes) {
  Message value = Message()
                      .add(tensor::kDims, 2)
                      .add(tensor::kDataType, kFloat)
                      .add(tensor::kExternalData,
                           Message().add(entry::kKey, "location").add(entry::kValue, "../outside"))
                      .add(tensor::kDataLocation, tensor::kLocationExternal);
  const Message constant =
      node_message("Constant", {}, {"c"}, "n")
          .add(node::kAttribute,
               attribute_message("value", attribute::Type::tensor).add(attribute::kTensor, value));
  expect_refused(model_bytes(graph_message().add(graph::kNode, constant)), "not a path below",
                 model());
}

}  // namespace
}  // namespace octet::onnx
