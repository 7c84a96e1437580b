#include "data/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <numeric>

#include "base/error.h"
#include "base/files.h"
#include "base/threads.h"
#include "tests/expect_error.h"
#include "tests/temporary_folder.h"

namespace octet::data {
namespace {

namespace fs = std::filesystem;
using test::expect_error;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Members = std::vector<std::pair<std::string, std::string>>;

/// One entry of a tar: header and data, filled up to 512 bytes. Type '0' is a file, '5' a folder,
/// 'x' holds properties of the entry behind it.
std::string tar_entry(const std::string& name, char type, const std::string& data) {
  std::string header(512, '\0');
  const auto put = [&](size_t at, const std::string& text) {
    header.replace(at, text.size(), text);
  };
  put(0, name.substr(0, 100));
  put(100, "0000644");
  put(124, fmt::format("{:011o}", data.size()));
  put(136, "00000000000");
  put(148, "        ");
  put(156, std::string(1, type));
  put(257, std::string("ustar\00000", 8));
  const auto sum = std::accumulate(header.begin(), header.end(), 0U, [](unsigned total, char byte) {
    return total + static_cast<unsigned char>(byte);
  });
  put(148, fmt::format("{:06o}", sum) + '\0');
  return header + data + std::string((512 - data.size() % 512) % 512, '\0');
}

/// Long and non-ASCII names go into a property, as Python's tarfile does.
std::string make_tar(const Members& members) {
  std::string tar;
  for (const auto& [name, data] : members) {
    if (name.size() > 100 || std::ranges::any_of(name, [](char byte) { return byte < 0; })) {
      const std::string record = fmt::format(" path={}\n", name);
      tar += tar_entry("PaxHeader", 'x', fmt::format("{}{}", record.size() + 3, record));
    }
    tar += tar_entry(name, name.ends_with('/') ? '5' : '0', data);
  }
  return tar + std::string(1024, '\0');
}

/// Each test builds its dataset in a folder of its own.
class DatasetTest : public ::testing::Test {
 protected:
  void write(const std::string& name, std::string_view text) const { root.write(name, text); }

  void write_tar(const std::string& name, const Members& members) const {
    write(name, make_tar(members));
  }

  [[nodiscard]] std::unique_ptr<Dataset> open(const std::string& name = "") const {
    return open_dataset(name.empty() ? root.path() : root / name);
  }

  void expect_unopenable(const std::string& name, const std::string& part) const {
    expect_error(ErrorCode::bad_input, {part}, [&] { (void)open(name); });
  }

  test::TemporaryFolder root;
};

std::string text_of(const Sample& sample) {
  return {reinterpret_cast<const char*>(sample.encoded.data()), sample.encoded.size()};
}

/// One line a sample: "key label bytes captions".
std::vector<std::string> describe(Dataset& dataset) {
  std::vector<std::string> lines;
  dataset.rewind();
  while (const auto sample = dataset.next()) {
    lines.push_back(fmt::format("{} {} {} {}", sample->key, sample->label, text_of(*sample),
                                fmt::join(sample->captions, "|")));
  }
  EXPECT_EQ(static_cast<int64_t>(lines.size()), dataset.size());
  return lines;
}

void expect_undecodable(const Sample& sample, const std::string& part) {
  expect_error(ErrorCode::bad_input, {part}, [&] { (void)sample.decode(); });
}

std::string golden_png() {
  return read_text(fs::path(OCTET_SOURCE_DIR) / "tests/golden/preprocess/rgb_32x32_up.png");
}

using WebDatasetTest = DatasetTest;

TEST_F(WebDatasetTest, ReadsShardsOfClasses) {
  write("classnames.txt", "red fox\n dog \n");
  write("zeroshot_classification_templates.txt", "a photo of a {c}.\r\na {c}.");
  write("test/nshards.txt", "2\n");
  write_tar("test/0.tar", {{"s0.png", "A"}, {"s0.cls", "1"}, {"s1.cls", " 0\n"}, {"s1.webp", "B"}});
  write_tar("test/1.tar", {{"s0.jpeg", "C"}, {"s0.cls", "1"}, {"s0.npy", "x"}});
  const auto dataset = open();
  EXPECT_EQ(dataset->kind(), "webdataset");
  EXPECT_THAT(dataset->class_names(), ElementsAre("red fox", "dog"));
  EXPECT_THAT(dataset->templates(), ElementsAre("a photo of a {c}.", "a {c}."));
  const auto expected =
      ElementsAre("0.tar:s0.png 1 A ", "0.tar:s1.webp 0 B ", "1.tar:s0.jpeg 1 C ");
  EXPECT_THAT(describe(*dataset), expected);
  EXPECT_THAT(describe(*dataset), expected) << "after a rewind";
}

TEST_F(WebDatasetTest, ReadsCaptionsOneALine) {
  write("dataset_type.txt", "retrieval\n");
  write("test/nshards.txt", "1");
  write_tar("test/0.tar",
            {{"a.jpg", "A"}, {"a.txt", "one\ntwo\r\nthree\n"}, {"b.txt", "four"}, {"b.jpg", "B"}});
  const auto dataset = open();
  EXPECT_THAT(describe(*dataset),
              ElementsAre("0.tar:a.jpg -1 A one|two|three", "0.tar:b.jpg -1 B four"));
  EXPECT_THAT(dataset->class_names(), IsEmpty());
}

TEST_F(WebDatasetTest, AKeyEndsAtTheFirstDotOfTheBaseName) {
  write_tar("set.tar", {{"v1.2/a.png", "A"},
                        {"v1.2/a.cls", "3"},
                        {"./v1.2/b.seg.png", "S"},
                        {"./v1.2/b.png", "B"},
                        {"folder/", ""}});
  EXPECT_THAT(describe(*open("set.tar")),
              ElementsAre("set.tar:v1.2/a.png 3 A ", "set.tar:v1.2/b.png -1 B "));
}

TEST_F(WebDatasetTest, ReadsLongAndForeignNames) {
  const std::string name = std::string(150, 'x') + "/\xC3\xA9t\xC3\xA9.png";
  write_tar("set.tar", {{name, "A"}, {"z.png", "Z"}});
  EXPECT_THAT(describe(*open("set.tar")),
              ElementsAre("set.tar:" + name + " -1 A ", "set.tar:z.png -1 Z "));
}

TEST_F(WebDatasetTest, NamesTheMissingShard) {
  write("test/nshards.txt", "2");
  write_tar("test/0.tar", {{"a.png", "A"}, {"a.cls", "0"}});
  expect_unopenable("", "test/1.tar' is missing");
}

TEST_F(WebDatasetTest, NamesAMissingOrBrokenShardCount) {
  write_tar("test/0.tar", {{"a.png", "A"}, {"a.cls", "0"}});
  expect_unopenable("", "nshards.txt' is missing");
  write("test/nshards.txt", "many");
  expect_unopenable("", "not 'many'");
}

TEST_F(WebDatasetTest, NamesTheIncompleteSample) {
  write("test/nshards.txt", "1");
  write_tar("test/0.tar", {{"a.png", "A"}, {"a.cls", "0"}, {"b.png", "B"}});
  expect_unopenable("", "sample 'b' has no class number");
  write_tar("test/0.tar", {{"a.cls", "0"}});
  expect_unopenable("", "sample 'a' has no image");
  write("dataset_type.txt", "retrieval");
  write_tar("test/0.tar", {{"a.png", "A"}});
  expect_unopenable("", "sample 'a' has no captions");
}

TEST_F(WebDatasetTest, NamesABrokenClassNumber) {
  write_tar("set.tar", {{"a.png", "A"}, {"a.cls", "cat"}});
  const auto dataset = open("set.tar");
  expect_error(ErrorCode::bad_input, {"'a.cls' holds 'cat'"}, [&] { (void)dataset->next(); });
}

TEST_F(WebDatasetTest, NamesATruncatedTar) {
  write_tar("set.tar", {{"a.png", "A"}, {"b.png", std::string(5000, 'B')}});
  fs::resize_file(root / "set.tar", 3000);
  expect_unopenable("set.tar", "truncated: 'b.png'");
}

TEST_F(WebDatasetTest, NamesABrokenTar) {
  write("set.tar", std::string(4096, 'x'));
  expect_unopenable("set.tar", "not a readable uncompressed tar");
  write_tar("other.tar", {{"a.png", "A"}, {"b.png", "B"}});
  std::string bytes = read_text(root / "other.tar");
  constexpr size_t kSecondHeader = 1024;
  std::fill_n(bytes.begin() + kSecondHeader, 512, 'x');
  write("other.tar", bytes);
  expect_unopenable("other.tar", "not a readable uncompressed tar");
}

TEST_F(WebDatasetTest, ABrokenImageShowsOnlyWhenItIsDecoded) {
  const std::string good = golden_png();
  write_tar("set.tar", {{"a.png", good}, {"b.png", good.substr(0, 700)}, {"c.png", good}});
  const auto dataset = open("set.tar");
  EXPECT_EQ(dataset->next()->decode().width, 32);
  expect_undecodable(*dataset->next(), "set.tar:b.png: broken PNG");
  EXPECT_EQ(dataset->next()->decode().width, 32);
  EXPECT_EQ(dataset->next(), std::nullopt);
}

TEST_F(WebDatasetTest, ServesManyThreads) {
  Members members;
  for (int i = 0; i < 200; ++i) members.push_back({fmt::format("{}.png", i), fmt::format("{}", i)});
  write_tar("set.tar", members);
  const auto dataset = open("set.tar");
  std::atomic<int> wrong = 0;
  parallel_for(dataset->size(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      if (text_of(dataset->at(i)) != fmt::format("{}", i)) ++wrong;
    }
  });
  EXPECT_EQ(wrong, 0);
}

using ImageFolderTest = DatasetTest;

TEST_F(ImageFolderTest, ClassesAreInByteOrder) {
  write("apple/2.PNG", "A2");
  write("apple/10.jpg", "A10");
  write("apple/deep/0.webp", "D");
  write("apple/notes.txt", "no image");
  write("Zebra/1.jpeg", "Z");
  write(".cache/1.png", "hidden");
  const auto dataset = open();
  EXPECT_EQ(dataset->kind(), "image folder");
  EXPECT_THAT(dataset->class_names(), ElementsAre("Zebra", "apple"));
  EXPECT_THAT(describe(*dataset), ElementsAre("Zebra/1.jpeg 0 Z ", "apple/10.jpg 1 A10 ",
                                              "apple/2.PNG 1 A2 ", "apple/deep/0.webp 1 D "));
}

TEST_F(ImageFolderTest, ANamesFileRenamesTheClasses) {
  write("n01/1.png", "A");
  write("n02/1.png", "B");
  write("classnames.txt", "tench\ngoldfish\n");
  EXPECT_THAT(open()->class_names(), ElementsAre("tench", "goldfish"));
  write("classnames.txt", "tench\n");
  expect_unopenable("", "2 class folders, but its classnames.txt has 1");
}

TEST_F(ImageFolderTest, ReadsAFlatFolder) {
  write("b.png", "B");
  write("a.jpg", "A");
  EXPECT_THAT(describe(*open()), ElementsAre("a.jpg -1 A ", "b.png -1 B "));
}

TEST_F(ImageFolderTest, RefusesWhatIsUnclear) {
  write("a.jpg", "A");
  write("class/b.jpg", "B");
  expect_unopenable("", "images and also folders of images");
  fs::remove(root / "a.jpg");
  fs::create_directories(root / "empty");
  expect_unopenable("", "class folder 'empty'");
}

TEST_F(ImageFolderTest, AFileThatCannotBeReadShowsWhenItIsDecoded) {
  write("a.png", golden_png());
  write("b.bmp", "BM");
  fs::create_symlink("nowhere", root / "c.png");
  const auto dataset = open();
  EXPECT_EQ(dataset->next()->decode().height, 32);
  expect_undecodable(*dataset->next(), "b.bmp: not a JPEG, PNG or WebP");
  expect_undecodable(*dataset->next(), "c.png: cannot open");
}

using CifarTest = DatasetTest;

/// Planes of one image: red 1, green 2, blue 3, the first pixel `first` in all.
std::string planes(char first) {
  std::string bytes;
  for (const char value : {'\1', '\2', '\3'}) bytes += first + std::string(1023, value);
  return bytes;
}

void expect_planes(const Sample& sample, int first) {
  const Image image = sample.decode();
  EXPECT_EQ(image.width, 32);
  EXPECT_EQ(image.height, 32);
  ASSERT_EQ(image.pixels.size(), 3072U);
  const std::vector<uint8_t> begin(image.pixels.begin(), image.pixels.begin() + 6);
  EXPECT_THAT(begin, ElementsAre(first, first, first, 1, 2, 3));
}

TEST_F(CifarTest, ReadsTheBinaryVersion) {
  write("test.bin", "\x07\x01" + planes('\x09') + std::string("\x07\x00", 2) + planes('\x0A'));
  write("fine_label_names.txt", "apple\naquarium_fish\n");
  const auto dataset = open();
  EXPECT_EQ(dataset->kind(), "CIFAR-100 binary");
  ASSERT_EQ(dataset->size(), 2);
  EXPECT_THAT(dataset->class_names(), ElementsAre("apple", "aquarium_fish"));
  const Sample first = *dataset->next();
  EXPECT_EQ(first.label, 1);
  expect_planes(first, 9);
  EXPECT_EQ(dataset->at(1).label, 0);
  expect_planes(dataset->at(1), 10);
}

TEST_F(CifarTest, NamesABrokenBinaryFile) {
  write("fine_label_names.txt", "apple\n");
  write("test.bin", std::string(3000, 'x'));
  expect_unopenable("", "no multiple");
  write("test.bin", "\x07\x05" + planes('\x09'));
  const auto dataset = open();
  expect_error(ErrorCode::bad_input, {"class 5 has no name"}, [&] { (void)dataset->next(); });
}

/// Opcodes as Python 2 wrote them in the original files.
std::string short_string(std::string_view text) {
  return "U" + std::string(1, static_cast<char>(text.size())) + std::string(text);
}

std::string little_endian(uint32_t value) {
  std::string bytes;
  for (int i = 0; i < 4; ++i) bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}

std::string pickled_array(const std::string& bytes, char rows, const std::string& function) {
  const std::string zero(1, '\0');
  return function + "cnumpy\nndarray\nK" + zero + "\x85" + short_string("b") + "\x87R" + "(K\x01K" +
         rows + "M" + zero + "\x0C\x86" + "cnumpy\ndtype\n" + short_string("u1") + "K" + zero +
         "K\x01\x87R(K\x03" + short_string("|") + "NNNJ\xFF\xFF\xFF\xFFJ\xFF\xFF\xFF\xFFK" + zero +
         "tb\x89T" + little_endian(static_cast<uint32_t>(bytes.size())) + bytes + "tb";
}

std::string pickled_test(const std::string& bytes, const std::string& function) {
  return "\x80\x02}q\x01(" + short_string("fine_labels") + "]q\x02(K\x01K" + std::string(1, '\0') +
         "e" + short_string("data") + pickled_array(bytes, '\x02', function) + "u.";
}

const std::string kMeta = "\x80\x02}(" + short_string("fine_label_names") + "](" +
                          short_string("apple") + short_string("baby") + "eu.";
const std::string kReconstruct = "cnumpy.core.multiarray\n_reconstruct\n";

TEST_F(CifarTest, ReadsThePythonVersion) {
  write("test", pickled_test(planes('\x09') + planes('\x0A'), kReconstruct));
  write("meta", kMeta);
  const auto dataset = open();
  EXPECT_EQ(dataset->kind(), "CIFAR-100 Python");
  ASSERT_EQ(dataset->size(), 2);
  EXPECT_THAT(dataset->class_names(), ElementsAre("apple", "baby"));
  const Sample first = *dataset->next();
  EXPECT_EQ(first.label, 1);
  expect_planes(first, 9);
  expect_planes(*dataset->next(), 10);
}

TEST_F(CifarTest, NamesABrokenPythonFile) {
  write("meta", kMeta);
  write("test", pickled_test(planes('\x09'), kReconstruct));
  expect_unopenable("", "'data' is not an array of 2 x 3072");
  write("test", pickled_test(planes('\x09') + planes('\x0A'), "cos\nsystem\n"));
  expect_unopenable("", "os system");
  write("test", "\x80\x02}.");
  expect_unopenable("", "no list 'fine_labels'");
}

using CocoTest = DatasetTest;

constexpr std::string_view kCaptions = R"({
  "images": [{"id": 30, "file_name": "c.png"}, {"id": 4, "file_name": "a.png"},
             {"id": 7, "file_name": "b.png"}],
  "annotations": [{"id": 1, "image_id": 4, "caption": "a one"},
    {"id": 9, "image_id": 30, "caption": "c one"}, {"id": 3, "image_id": 4, "caption": "a two"},
    {"id": 2, "image_id": 4, "caption": "a three"}, {"id": 5, "image_id": 4, "caption": "a four"},
    {"id": 6, "image_id": 4, "caption": "a five"}, {"id": 7, "image_id": 4, "caption": "a six"}]})";

const auto kCocoSamples = ElementsAre("a.png -1 A a one|a two|a three|a four|a five|a six",
                                      "b.png -1 B ", "c.png -1 C c one");

TEST_F(CocoTest, ReadsImagesFromAFolder) {
  for (const char* folder : {"", "images/", "val2014/"}) {
    for (const auto& entry : fs::directory_iterator(root.path())) fs::remove_all(entry);
    write("captions.json", kCaptions);
    for (const auto& [name, text] : Members{{"a", "A"}, {"b", "B"}, {"c", "C"}}) {
      write(folder + name + ".png", text);
    }
    EXPECT_EQ(open()->kind(), "COCO captions");
    EXPECT_THAT(describe(*open()), kCocoSamples) << folder;
    EXPECT_THAT(describe(*open("captions.json")), kCocoSamples) << folder;
  }
}

TEST_F(CocoTest, ReadsImagesFromATar) {
  write("captions.json", kCaptions);
  write_tar("images.tar", {{"c.png", "C"}, {"b.png", "B"}, {"a.png", "A"}});
  EXPECT_THAT(describe(*open()), kCocoSamples);
  write_tar("images.tar", {{"images/c.png", "C"}, {"images/b.png", "B"}, {"images/a.png", "A"}});
  EXPECT_THAT(describe(*open()), kCocoSamples);
}

TEST_F(CocoTest, ReadsCocosOwnFolders) {
  write("annotations/captions_val2014.json", kCaptions);
  write("annotations/instances_val2014.json", "{}");
  for (const auto& [name, text] : Members{{"a", "A"}, {"b", "B"}, {"c", "C"}}) {
    write("val2014/" + name + ".png", text);
  }
  EXPECT_THAT(describe(*open()), kCocoSamples);
  write("annotations/captions_train2014.json", kCaptions);
  expect_unopenable("", "several caption files");
  EXPECT_THAT(describe(*open("annotations/captions_val2014.json")), kCocoSamples);
}

TEST_F(CocoTest, AMissingImageShowsWhenItIsDecoded) {
  write("captions.json", kCaptions);
  write_tar("images.tar", {{"a.png", golden_png()}, {"c.png", golden_png()}});
  const auto dataset = open();
  ASSERT_EQ(dataset->size(), 3);
  EXPECT_EQ(dataset->next()->decode().width, 32);
  expect_undecodable(*dataset->next(), "b.png: it is not in");
  EXPECT_EQ(dataset->next()->decode().width, 32);
}

TEST_F(CocoTest, NamesWhatIsBroken) {
  write("captions.json", kCaptions);
  expect_unopenable("", "neither in its folder nor in a folder or .tar");
  write("captions.json", R"({"images": [{"id": 1}], "annotations": []})");
  expect_unopenable("", "'file_name'");
  write("captions.json", R"({"images": [], "annotations": []})");
  expect_unopenable("", "lists no images");
  write("captions.json", R"({"images": [{"id": 1, "file_name": "../a.png"}], "annotations": []})");
  expect_unopenable("", "'../a.png' is not a path below");
}

using TextTest = DatasetTest;

TEST_F(TextTest, ReadsACaptionALine) {
  write("captions.txt", "a dog\n\n  \na caf\xC3\xA9\r\n");
  const auto dataset = open("captions.txt");
  EXPECT_EQ(dataset->kind(), "text");
  EXPECT_THAT(describe(*dataset),
              ElementsAre("captions.txt:1 -1  a dog", "captions.txt:2 -1  a caf\xC3\xA9"));
  expect_undecodable(dataset->at(0), "has no image");
}

TEST_F(TextTest, ReadsAJsonList) {
  write("captions.json", R"(["a dog", "a cat"])");
  EXPECT_EQ(open("captions.json")->size(), 2);
}

TEST_F(DatasetTest, SaysWhatItLookedFor) {
  expect_unopenable("", "looked for test/nshards.txt");
  expect_unopenable("absent", "there is no dataset");
  write("empty.txt", "\n");
  expect_unopenable("empty.txt", "is an empty text");
  write_tar("empty.tar", {});
  expect_unopenable("empty.tar", "is an empty webdataset");
  write("binary", std::string(10, '\0'));
  expect_unopenable("binary", "neither a tar, nor JSON, nor text");
  write("other.json", R"({"a": 1})");
  expect_unopenable("other.json", "neither COCO captions");
}

TEST_F(DatasetTest, ReadsNames) {
  write("lines.txt", "\xC2\xA9 one\r\n two\tthree \n\n");
  EXPECT_THAT(read_names(root / "lines.txt"), ElementsAre("\xC2\xA9 one", "two\tthree"));
  write("list.json", R"(["one", "two"])");
  EXPECT_THAT(read_names(root / "list.json"), ElementsAre("one", "two"));
  write("single.json", R"({"pets": ["cat", "dog"]})");
  EXPECT_THAT(read_names(root / "single.json"), ElementsAre("cat", "dog"));
  write("several.json", R"({"pets": ["cat"], "cars": ["van"]})");
  EXPECT_THAT(read_names(root / "several.json", "cars"), ElementsAre("van"));
  expect_error(ErrorCode::bad_input, {"holds 2 lists"},
               [&] { (void)read_names(root / "several.json"); });
  expect_error(ErrorCode::bad_input, {"no list 'trees'"},
               [&] { (void)read_names(root / "several.json", "trees"); });
}

TEST_F(DatasetTest, ABlankNameIsAnError) {
  write("lines.txt", "one\n\nthree\n");
  expect_error(ErrorCode::bad_input, {"name 2 is empty"},
               [&] { (void)read_names(root / "lines.txt"); });
}

}  // namespace
}  // namespace octet::data
