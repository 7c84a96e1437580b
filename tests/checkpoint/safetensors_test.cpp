#include "checkpoint/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <numeric>
#include <vector>

#include "tests/expect_error.h"
#include "tests/temporary_folder.h"

namespace octet::checkpoint {
namespace {

using test::expect_error;
using test::TemporaryFolder;

/// A file of a header and `data_bytes` counting bytes.
std::string file_of(const std::string& header, size_t data_bytes) {
  std::string file;
  for (int i = 0; i < 8; ++i) file.push_back(static_cast<char>(header.size() >> (8 * i)));
  file += header;
  for (size_t i = 0; i < data_bytes; ++i) file.push_back(static_cast<char>(i));
  return file;
}

SafetensorsFile parse(const std::string& file) {
  // Behind a 64-byte boundary, as the start of a mapped file is.
  const auto memory = allocate_aligned(file.size());
  std::memcpy(memory.get(), file.data(), file.size());
  return parse_safetensors({memory.get(), file.size()}, "test.safetensors", memory);
}

void expect_invalid(const std::string& file, const std::vector<std::string>& parts) {
  auto all = parts;
  all.emplace_back("test.safetensors");
  expect_error(ErrorCode::bad_input, all, [&] { parse(file); });
}

Tensor counting(DType dtype, Shape shape) {
  Tensor tensor(dtype, std::move(shape));
  for (size_t i = 0; i < tensor.size_bytes(); ++i) tensor.mutable_bytes()[i] = std::byte(i * 7);
  return tensor;
}

TEST(SafetensorsReader, ReadsTensorsAndMetadata) {
  const auto file = parse(file_of(
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},)"
      R"("a":{"dtype":"U8","shape":[],"data_offsets":[8,9]}}  )",
      9));
  EXPECT_EQ(file.metadata.at("format"), "pt");
  EXPECT_EQ(file.order, (std::vector<std::string>{"b", "a"}));
  EXPECT_EQ(file.tensors.at("b").shape(), (Shape{2, 1}));
  EXPECT_EQ(file.tensors.at("b").dtype(), DType::f32);
  EXPECT_EQ(file.tensors.at("a").values<uint8_t>()[0], 8);
  EXPECT_EQ(file.tensors.at("a").rank(), 0U);
}

TEST(SafetensorsReader, HeaderIsLengthAndJson) {
  const std::string bytes = file_of(R"({"__metadata__":{"k":"v"}} )", 0);
  const auto file = parse(bytes);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(file.header.data()), file.header.size()),
            bytes);
}

TEST(SafetensorsReader, EmptyTensorsAndFiles) {
  EXPECT_TRUE(parse(file_of("{}", 0)).tensors.empty());
  const auto file = parse(file_of(R"({"x":{"dtype":"F32","shape":[0,3],"data_offsets":[4,4]},)"
                                  R"("y":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                                  R"("z":{"dtype":"F16","shape":[0],"data_offsets":[0,0]}})",
                                  4));
  EXPECT_EQ(file.tensors.at("x").count(), 0);
  EXPECT_EQ(file.order, (std::vector<std::string>{"z", "y", "x"}));
}

TEST(SafetensorsReader, UnalignedDataIsCopiedAligned) {
  const std::string header = R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                             R"("b":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}})";
  const auto file = parse(file_of(header, 9));
  const auto bytes = file.tensors.at("b").bytes();
  EXPECT_EQ(reinterpret_cast<uintptr_t>(bytes.data()) % alignof(float), 0U);
  EXPECT_EQ(bytes[0], std::byte{1});
  EXPECT_EQ(bytes[7], std::byte{8});
}

TEST(SafetensorsReader, AlignedDataIsNotCopied) {
  const TemporaryFolder folder;
  write_safetensors(folder / "a.safetensors", {{{"x", counting(DType::f32, {16})}}});
  const auto file = read_safetensors(folder / "a.safetensors");
  EXPECT_EQ(file.tensors.at("x").bytes().data(), file.header.data() + file.header.size());
}

TEST(SafetensorsReader, TensorsKeepTheFileMapped) {
  const TemporaryFolder folder;
  const auto path = folder / "a.safetensors";
  write_safetensors(path, {{{"x", counting(DType::f32, {16})}}});
  const Tensor tensor = read_safetensors(path).tensors.at("x");
  std::filesystem::remove(path);
  EXPECT_EQ(tensor, counting(DType::f32, {16}));
}

TEST(SafetensorsReader, RefusesBrokenLengths) {
  expect_invalid("", {"0 bytes are too few"});
  expect_invalid("1234567", {"7 bytes are too few"});
  expect_invalid(std::string("\x01\0\0\0\0\0\0\0", 8), {"cut short"});
  expect_invalid(std::string("\x40\0\0\0\0\0\0\0{}", 10), {"header of 64 bytes", "cut short"});
  expect_invalid(std::string("\x01\xE1\xF5\x05\0\0\0\0", 8) + std::string(64, ' '),
                 {"header of 100000001 bytes", "at most 100000000"});
  expect_invalid(std::string(8, '\xFF') + "{}", {"at most 100000000"});
}

TEST(SafetensorsReader, RefusesBrokenHeaders) {
  expect_invalid(file_of("", 0), {"does not begin with '{'"});
  expect_invalid(file_of(" {}", 0), {"does not begin with '{'"});
  expect_invalid(file_of("[]", 0), {"does not begin with '{'"});
  expect_invalid(file_of("{", 0), {"not valid JSON"});
  expect_invalid(file_of("{}x", 0), {"not valid JSON"});
  expect_invalid(file_of(std::string("{}\0MZ", 5), 0), {"not valid JSON"});
  expect_invalid(file_of("{\"a\xFF\":1}", 0), {"not valid JSON"});
}

TEST(SafetensorsReader, RefusesBrokenMetadata) {
  expect_invalid(file_of(R"({"__metadata__":[]})", 0), {"__metadata__", "no object"});
  expect_invalid(file_of(R"({"__metadata__":{"a":1}})", 0), {"__metadata__.a", "no string"});
}

TEST(SafetensorsReader, RefusesKeysThatStandTwice) {
  const std::string x = R"("x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  expect_invalid(file_of("{" + x + "," + x + "}", 1), {"key 'x' stands twice"});
  expect_invalid(
      file_of(R"({"x":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1),
      {"key 'dtype' stands twice"});
}

struct BadEntry {
  const char* description;
  const char* reason;
};

class BadEntries : public ::testing::TestWithParam<BadEntry> {};

TEST_P(BadEntries, AreRefusedWithTheTensorsName) {
  const std::string header = std::string(R"({"layer.weight":)") + GetParam().description + "}";
  expect_invalid(file_of(header, 8), {"layer.weight", GetParam().reason});
}

INSTANTIATE_TEST_SUITE_P(
    Safetensors, BadEntries,
    ::testing::Values(
        BadEntry{R"(7)", "no object"},
        BadEntry{R"({"shape":[8],"data_offsets":[0,8]})", "'dtype' is missing"},
        BadEntry{R"({"dtype":"U8","data_offsets":[0,8]})", "'shape' is missing"},
        BadEntry{R"({"dtype":"U8","shape":[8]})", "'data_offsets' is missing"},
        BadEntry{R"({"dtype":8,"shape":[8],"data_offsets":[0,8]})", "'dtype' is no string"},
        BadEntry{R"({"dtype":"F4","shape":[8],"data_offsets":[0,8]})", "'F4' is not supported"},
        BadEntry{R"({"dtype":"U8","shape":8,"data_offsets":[0,8]})", "'shape' must be a list"},
        BadEntry{R"({"dtype":"U8","shape":[-8],"data_offsets":[0,8]})", "integers from 0"},
        BadEntry{R"({"dtype":"U8","shape":[8.0],"data_offsets":[0,8]})", "integers from 0"},
        BadEntry{R"({"dtype":"U8","shape":[8],"data_offsets":[0,8,9]})", "two numbers"},
        BadEntry{R"({"dtype":"U8","shape":[8],"data_offsets":[0,"8"]})", "integers from 0"},
        BadEntry{R"({"dtype":"U8","shape":[8],"data_offsets":[-1,8]})", "integers from 0"},
        BadEntry{R"({"dtype":"U8","shape":[7],"data_offsets":[0,8]})", "needs 7 bytes, but has 8"},
        BadEntry{R"({"dtype":"F32","shape":[8],"data_offsets":[0,8]})", "needs 32 bytes"},
        BadEntry{R"({"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,8]})",
                 "too many elements"},
        BadEntry{R"({"dtype":"F64","shape":[4611686018427387904],"data_offsets":[0,8]})",
                 "too many bytes"},
        BadEntry{R"({"dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,8]})",
                 "overflows"},
        BadEntry{R"({"dtype":"U8","shape":[8],"data_offsets":[8,0]})", "lies at [8, 0)"},
        BadEntry{R"({"dtype":"U8","shape":[7],"data_offsets":[1,8]})", "lies at [1, 8)"},
        BadEntry{R"({"dtype":"U8","shape":[8],"data_offsets":[0,99999999999999999999]})",
                 "integers from 0"}));

std::string two_tensors(const std::string& first, const std::string& second) {
  return R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + first +
         R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + second + "}}";
}

TEST(SafetensorsReader, TensorsMustFillTheDataExactly) {
  EXPECT_EQ(parse(file_of(two_tensors("[0,4]", "[4,8]"), 8)).tensors.size(), 2U);
  expect_invalid(file_of(two_tensors("[0,4]", "[3,7]"), 7), {"'b' lies at [3, 7), but byte 4"});
  expect_invalid(file_of(two_tensors("[0,4]", "[0,4]"), 4), {"'b' lies at [0, 4), but byte 4"});
  expect_invalid(file_of(two_tensors("[0,4]", "[5,9]"), 9), {"'b' lies at [5, 9), but byte 4"});
  expect_invalid(file_of(two_tensors("[0,4]", "[4,8]"), 9), {"have 8 bytes, the file holds 9"});
  expect_invalid(file_of(two_tensors("[0,4]", "[4,8]"), 7), {"cut short"});
  expect_invalid(file_of("{}", 1), {"followed by something else"});
}

TEST(SafetensorsReader, RefusesNamesThatHideThings) {
  expect_invalid(file_of(R"({"a\u0000b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1),
                 {"NUL in a tensor's name"});
  expect_invalid(file_of("{\"" + std::string(5000, 'n') +
                             R"(":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
                         1),
                 {"name of 5000 bytes"});
}

TEST(SafetensorsReader, RefusesEveryTruncation) {
  const std::string whole = file_of(two_tensors("[0,4]", "[4,8]"), 8);
  for (size_t size = 0; size < whole.size(); ++size) {
    SCOPED_TRACE(size);
    expect_invalid(whole.substr(0, size), {});
  }
}

TEST(SafetensorsReader, NamesTheFile) {
  const TemporaryFolder folder;
  expect_error(ErrorCode::bad_input, {"gone.safetensors", "No such file"},
               [&] { read_safetensors(folder / "gone.safetensors"); });
  expect_error(ErrorCode::bad_input, {"empty.safetensors", "too few"},
               [&] { read_safetensors(folder.write("empty.safetensors", "")); });
}

TEST(SafetensorsWriter, EveryTypeRoundTrips) {
  std::vector<NamedTensor> tensors;
  for (int code = 0; code <= static_cast<int>(DType::boolean); ++code) {
    const auto dtype = static_cast<DType>(code);
    tensors.push_back({"t." + std::string(name_of(dtype)), counting(dtype, {2, 3})});
  }
  const TemporaryFolder folder;
  write_safetensors(folder / "a.safetensors", tensors, {.metadata = {{"format", "pt"}}});
  const auto file = read_safetensors(folder / "a.safetensors");
  EXPECT_EQ(file.metadata.at("format"), "pt");
  ASSERT_EQ(file.tensors.size(), tensors.size());
  for (const auto& [name, tensor] : tensors) EXPECT_EQ(file.tensors.at(name), tensor) << name;
}

TEST(SafetensorsWriter, SortsWideTypesFirstThenNames) {
  const std::vector<NamedTensor> tensors{{"b", counting(DType::f16, {1})},
                                         {"d", counting(DType::f8e4m3, {1})},
                                         {"c", counting(DType::f32, {1})},
                                         {"a", counting(DType::bf16, {1})},
                                         {"e", counting(DType::f32, {})}};
  const std::string header = safetensors_header(tensors, {});
  std::string file = header;
  for (size_t i = 0; i < 13; ++i) file.push_back('x');
  EXPECT_EQ(parse(file).order, (std::vector<std::string>{"c", "e", "a", "b", "d"}));
}

TEST(SafetensorsWriter, WritesTheFormatsOwnBytes) {
  const std::vector<NamedTensor> tensors{{"b", Tensor::scalar(1.0F)},
                                         {"a \"q\"", counting(DType::i64, {2, 1})}};
  const TemporaryFolder folder;
  write_safetensors(folder / "a", tensors, {.metadata = {{"k", "v"}}});
  std::string json =
      R"({"__metadata__":{"k":"v"},"a \"q\"":{"dtype":"I64","shape":[2,1],"data_offsets":[0,16]},)"
      R"("b":{"dtype":"F32","shape":[],"data_offsets":[16,20]}})";
  json.append((8 - json.size() % 8) % 8, ' ');
  const auto written = read_text(folder / "a");
  EXPECT_EQ(written.substr(0, 8 + json.size()), file_of(json, 0));
  EXPECT_EQ(written.size(), 8 + json.size() + 20);
}

TEST(SafetensorsWriter, KeepsAnOrderAndAligns) {
  const std::vector<NamedTensor> tensors{{"z", counting(DType::u8, {64})},
                                         {"a", counting(DType::f32, {16})}};
  SafetensorsOptions options;
  options.keep_order = true;
  options.header_alignment = 64;
  const std::string header = safetensors_header(tensors, options);
  EXPECT_EQ(header.size() % 64, 0U);
  const TemporaryFolder folder;
  write_safetensors(folder / "plan", tensors, options);
  const auto file = read_safetensors(folder / "plan");
  EXPECT_EQ(file.order, (std::vector<std::string>{"z", "a"}));
  EXPECT_EQ(file.header.size(), header.size());
}

TEST(SafetensorsWriter, NamesMustBeUnique) {
  const std::vector<NamedTensor> twice{{"a", Tensor::scalar(1.0F)}, {"a", Tensor::scalar(1.0F)}};
  EXPECT_THROW(safetensors_header(twice, {}), std::logic_error);
  const std::vector<NamedTensor> reserved{{"__metadata__", Tensor::scalar(1.0F)}};
  EXPECT_THROW(safetensors_header(reserved, {}), std::logic_error);
}

TEST(SafetensorsWriter, NothingIsLeftWhenTheSourceFails) {
  const TemporaryFolder folder;
  folder.write("a", "old");
  const std::vector<TensorInfo> infos{{"x", DType::f32, {2}}, {"y", DType::f32, {2}}};
  expect_error(ErrorCode::failed, {"no y"}, [&] {
    stage_safetensors(folder / "a", infos, [](const TensorInfo& info) {
      if (info.name == "y") fail(ErrorCode::failed, "no y");
      return Tensor(info.dtype, info.shape);
    });
  });
  EXPECT_EQ(read_text(folder / "a"), "old");
  EXPECT_EQ(folder.entries(), 1);
}

TEST(SafetensorsWriter, TheSourceMustKeepItsWord) {
  const TemporaryFolder folder;
  const std::vector<TensorInfo> infos{{"x", DType::f32, {2}}};
  const TensorSource liar = [](const TensorInfo&) { return Tensor(DType::f32, {3}); };
  EXPECT_THROW(stage_safetensors(folder / "a", infos, liar), std::logic_error);
}

TEST(SafetensorsWriter, ManyTensors) {
  constexpr size_t kCount = 5000;
  std::vector<NamedTensor> tensors;
  tensors.reserve(kCount);
  for (size_t i = 0; i < kCount; ++i) {
    tensors.push_back({fmt::format("layer.{}.weight", i), Tensor::scalar(static_cast<float>(i))});
  }
  const TemporaryFolder folder;
  write_safetensors(folder / "a", tensors);
  const auto file = read_safetensors(folder / "a");
  ASSERT_EQ(file.tensors.size(), kCount);
  EXPECT_EQ(file.tensors.at("layer.4321.weight").values<float>()[0], 4321);
}

}  // namespace
}  // namespace octet::checkpoint
