#include "base/files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "tests/expect_error.h"
#include "tests/file_size_limit.h"
#include "tests/temporary_folder.h"

namespace octet {
namespace {

using test::expect_error;
using test::FileSizeLimit;
using test::TemporaryFolder;

/// Root may write everywhere; permissions count for others.
class AsNobody {
 public:
  AsNobody() : was_root_(::geteuid() == 0) {
    if (was_root_) changed_ = ::seteuid(65534) == 0;
  }
  AsNobody(const AsNobody&) = delete;
  AsNobody& operator=(const AsNobody&) = delete;
  ~AsNobody() {
    if (changed_ && ::seteuid(0) != 0) std::abort();
  }
  [[nodiscard]] bool effective() const { return !was_root_ || changed_; }

 private:
  bool was_root_;
  bool changed_ = false;
};

TEST(MappedFile, MapsTheBytes) {
  const TemporaryFolder folder;
  const auto file = MappedFile::open(folder.write("a.txt", "hello"));
  EXPECT_EQ(file->text(), "hello");
  EXPECT_EQ(file->bytes().size(), 5U);
  EXPECT_EQ(file->path(), folder / "a.txt");
}

TEST(MappedFile, EmptyFileHasNoBytes) {
  const TemporaryFolder folder;
  EXPECT_TRUE(MappedFile::open(folder.write("empty", ""))->bytes().empty());
}

TEST(MappedFile, StaysWhenTheFileIsReplaced) {
  const TemporaryFolder folder;
  const auto path = folder.write("a.txt", "old");
  const auto file = MappedFile::open(path);
  write_text(path, "new text");
  EXPECT_EQ(file->text(), "old");
}

TEST(MappedFile, RefusesWhatIsNoFile) {
  const TemporaryFolder folder;
  expect_error(ErrorCode::bad_input, {"absent", "No such file"},
               [&] { MappedFile::open(folder / "absent"); });
  expect_error(ErrorCode::bad_input, {"not a regular file"},
               [&] { MappedFile::open(folder.path()); });
  expect_error(ErrorCode::bad_input, {"not a regular file"},
               [&] { MappedFile::open("/dev/zero"); });
}

TEST(MappedFile, BeneathStaysInsideTheFolder) {
  const TemporaryFolder folder;
  folder.write("in/data.bin", "x");
  folder.write("secret", "s");
  const auto in = folder / "in";
  EXPECT_EQ(MappedFile::open_beneath(in, "data.bin")->text(), "x");
  EXPECT_EQ(MappedFile::open_beneath(folder.path(), "in/data.bin")->text(), "x");
  for (const char* name : {"../secret", "/etc/passwd", "", "data.bin/../../secret"}) {
    SCOPED_TRACE(name);
    expect_error(ErrorCode::bad_input, {"not a path below"},
                 [&] { MappedFile::open_beneath(in, name); });
  }
  std::filesystem::create_symlink(folder / "secret", in / "link");
  std::filesystem::create_hard_link(folder / "secret", in / "hard");
  expect_error(ErrorCode::bad_input, {"symbolic link"},
               [&] { MappedFile::open_beneath(in, "link"); });
  expect_error(ErrorCode::bad_input, {"hard link"}, [&] { MappedFile::open_beneath(in, "hard"); });
}

TEST(AtomicFile, AppearsOnCommitOnly) {
  const TemporaryFolder folder;
  AtomicFile file(folder / "a.txt");
  file.write("one ");
  file.write("two");
  EXPECT_EQ(file.size(), 7U);
  EXPECT_FALSE(file_exists(folder / "a.txt"));
  file.commit();
  EXPECT_EQ(read_text(folder / "a.txt"), "one two");
  EXPECT_EQ(folder.entries(), 1);
}

TEST(AtomicFile, WithoutCommitTheOldFileStays) {
  const TemporaryFolder folder;
  folder.write("a.txt", "old");
  { AtomicFile(folder / "a.txt").write("half of the n"); }
  EXPECT_EQ(read_text(folder / "a.txt"), "old");
  EXPECT_EQ(folder.entries(), 1) << "the temporary is still there";
}

TEST(AtomicFile, MovesItsFile) {
  const TemporaryFolder folder;
  AtomicFile first(folder / "a.txt");
  first.write("x");
  AtomicFile second(std::move(first));
  second.write("y");
  second.commit();
  EXPECT_EQ(read_text(folder / "a.txt"), "xy");
}

TEST(AtomicFile, CreatesMissingFolders) {
  const TemporaryFolder folder;
  write_text(folder / "b/c/a.txt", "deep");
  EXPECT_EQ(read_text(folder / "b/c/a.txt"), "deep");
}

TEST(AtomicFile, WithoutCommitCreatedFoldersGo) {
  const TemporaryFolder folder;
  folder.write("old/x.txt", "x");
  { AtomicFile(folder / "new/inner/a.txt").write("half"); }
  { AtomicFile(folder / "old/inner/a.txt").write("half"); }
  EXPECT_FALSE(file_exists(folder / "new"));
  EXPECT_FALSE(file_exists(folder / "old/inner"));
  EXPECT_EQ(read_text(folder / "old/x.txt"), "x");
}

TEST(AtomicFile, CreatedFoldersThatAreInUseStay) {
  const TemporaryFolder folder;
  {
    const AtomicFile abandoned(folder / "new/a.txt");
    write_text(folder / "new/b.txt", "kept");
  }
  EXPECT_EQ(read_text(folder / "new/b.txt"), "kept");
}

TEST(AtomicFile, FullDiskLeavesTheOldFile) {
  const TemporaryFolder folder;
  folder.write("a.txt", "old");
  expect_error(ErrorCode::failed, {"a.txt", "free space"}, [&] {
    AtomicFile file(folder / "a.txt");
    const FileSizeLimit limit(4096);
    file.write(std::string(1 << 20, 'x'));
  });
  EXPECT_EQ(read_text(folder / "a.txt"), "old");
  EXPECT_EQ(folder.entries(), 1);
}

TEST(AtomicFile, FullDeviceIsAnErrorAndStaysADevice) {
  expect_error(ErrorCode::failed, {"/dev/full", "No space left"},
               [] { write_text("/dev/full", "text"); });
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/full"));
}

TEST(AtomicFile, DevicesAreWrittenNotReplaced) {
  write_text("/dev/null", "text");
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
}

TEST(AtomicFile, ReadOnlyFolderIsAnError) {
  const TemporaryFolder folder;
  ::chmod(folder.path().c_str(), 0555);
  const AsNobody nobody;
  if (!nobody.effective()) GTEST_SKIP() << "cannot give up root's rights here";
  expect_error(ErrorCode::failed, {"a.txt", "Permission denied"},
               [&] { write_text(folder / "a.txt", "x"); });
  expect_error(ErrorCode::failed, {"b/a.txt", "Permission denied"},
               [&] { write_text(folder / "b/a.txt", "x"); });
}

TEST(AtomicFile, AFileInTheWayOfAFolderIsAnError) {
  const TemporaryFolder folder;
  folder.write("file", "x");
  expect_error(ErrorCode::failed, {"file/a.txt"}, [&] { write_text(folder / "file/a.txt", "y"); });
  expect_error(ErrorCode::failed, {"Is a directory"}, [&] { write_text(folder.path(), "y"); });
}

TEST(CommitTogether, AllFilesAppear) {
  const TemporaryFolder folder;
  std::vector<AtomicFile> files;
  for (const char* name : {"a", "b", "c"}) files.emplace_back(folder / name).write(name);
  EXPECT_FALSE(file_exists(folder / "a"));
  commit_together(files);
  for (const char* name : {"a", "b", "c"}) EXPECT_EQ(read_text(folder / name), name);
  EXPECT_EQ(folder.entries(), 3);
}

TEST(ReadText, HasALimit) {
  const TemporaryFolder folder;
  const auto path = folder.write("a.txt", "12345");
  EXPECT_EQ(read_text(path, 5), "12345");
  expect_error(ErrorCode::bad_input, {"5 bytes", "more than the 4"}, [&] { read_text(path, 4); });
}

TEST(CopyFile, CopiesAndToleratesItself) {
  const TemporaryFolder folder;
  const auto from = folder.write("a.txt", "text");
  octet::copy_file(from, folder / "b.txt");
  EXPECT_EQ(read_text(folder / "b.txt"), "text");
  octet::copy_file(from, from);
  EXPECT_EQ(read_text(from), "text");
  expect_error(ErrorCode::bad_input, {"absent"},
               [&] { octet::copy_file(folder / "absent", folder / "c.txt"); });
}

}  // namespace
}  // namespace octet
