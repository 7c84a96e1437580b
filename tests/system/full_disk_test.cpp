#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "tests/file_size_limit.h"
#include "tests/system/program.h"
#include "tests/system/small_disk.h"

namespace octet::system_test {
namespace {

using testing::HasSubstr;

const std::string kModel = OCTET_SOURCE_DIR "/examples/tinyclip";
const std::string kData = OCTET_SOURCE_DIR "/examples/tinyclip/calib";

/// Every verb that writes a model, told to write it below `folder`.
std::vector<std::vector<std::string>> writers(const std::filesystem::path& folder) {
  const std::string out = (folder / "deep/out").string();
  return {{"create", "ViT-B-32", "-o", out},
          {"quantize", kModel, "--recipe", "fp8-weights", "-o", out},
          {"export", kModel, "-o", out},
          {"deploy", kModel, "--calib", kData, "-o", out}};
}

void expect_nothing_left(const std::vector<std::string>& words, const std::string& reason) {
  const Outcome outcome = run_octet(words);
  EXPECT_EQ(outcome.exit_code, 1) << words.front() << ": " << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr(reason)) << words.front();
  EXPECT_THAT(outcome.err, HasSubstr("free space")) << words.front();
}

TEST(FullDisk, LeavesNothing) {
  const SmallDisk disk("1m");
  if (!disk.obstacle().empty()) {
    GTEST_SKIP() << "a small file system cannot be mounted here (needs root): " << disk.obstacle();
  }
  for (const auto& words : writers(disk.path())) {
    expect_nothing_left(words, "No space left on device");
    EXPECT_EQ(disk.entries(), 0) << words.front();
  }
}

// The same where nobody is root: the system's limit on the size of a file.
TEST(FullDisk, ALimitOnFilesLeavesNothing) {
  const test::TemporaryFolder folder;
  const test::FileSizeLimit limit(1 << 20);
  for (const auto& words : writers(folder.path())) {
    expect_nothing_left(words, "File too large");
    EXPECT_EQ(folder.entries(), 0) << words.front();
  }
}

TEST(FullDisk, KeepsThePlanThatWasThere) {
  const test::TemporaryFolder folder;
  const std::string onnx = (folder / "onnx").string();
  ASSERT_EQ(run_octet({"export", kModel, "-o", onnx}).exit_code, 0);
  folder.write("plans/text.plan", "old");
  const test::FileSizeLimit limit(1 << 20);
  expect_nothing_left({"build", onnx + "/text.onnx", "--shapes=text_input:1x77", "-o",
                       (folder / "plans/text.plan").string()},
                      "File too large");
  EXPECT_EQ(read_text(folder / "plans/text.plan"), "old");
}

TEST(FullDisk, OutputThatCannotBePrintedIsAnError) {
  for (const char* word : {"version", "knobs", "--help"}) {
    const Outcome outcome = run_octet_into("/dev/full", {word});
    EXPECT_EQ(outcome.exit_code, 1) << word;
    EXPECT_THAT(outcome.err, HasSubstr("cannot write to standard output")) << word;
  }
}

}  // namespace
}  // namespace octet::system_test
