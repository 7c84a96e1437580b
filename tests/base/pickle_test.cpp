#include "base/pickle.h"

#include <gtest/gtest.h>

#include <array>

#include "tests/expect_error.h"

namespace octet {
namespace {

using namespace std::literals;

PickleValue read(std::string_view pickle, std::span<const std::string_view> globals = {}) {
  return read_pickle(std::as_bytes(std::span(pickle)), globals, "test.pkl");
}

void expect_refused(std::string_view pickle, const std::string& reason,
                    std::span<const std::string_view> globals = {}) {
  test::expect_error(ErrorCode::bad_input, {"test.pkl", reason}, [&] { read(pickle, globals); });
}

template <typename T>
T as(const PickleValue& value) {
  return std::get<T>(value.value);
}

const PickleValue::List& items(const PickleValue& value) {
  if (const auto* tuple = std::get_if<std::shared_ptr<PickleValue::Tuple>>(&value.value)) {
    return (*tuple)->items;
  }
  return *std::get<std::shared_ptr<PickleValue::List>>(value.value);
}

std::string text(const PickleValue& value) {
  return std::string(value.text().value());
}

TEST(Pickle, ReadsIntegersOfEveryOpcode) {
  EXPECT_EQ(as<int64_t>(read("\x80\2K\xFF."sv)), 255);
  EXPECT_EQ(as<int64_t>(read("\x80\2M\x01\xFF."sv)), 0xFF01);
  EXPECT_EQ(as<int64_t>(read("\x80\2J\xFE\xFF\xFF\xFF."sv)), -2);
  EXPECT_EQ(as<int64_t>(read("\x80\2\x8A\0."sv)), 0);
  EXPECT_EQ(as<int64_t>(read("\x80\2\x8A\6\0\0\0\0\0\1."sv)), int64_t{1} << 40);
  EXPECT_EQ(as<int64_t>(read("\x80\2\x8A\6\0\0\0\0\0\xFF."sv)), -(int64_t{1} << 40));
  EXPECT_EQ(as<int64_t>(read("\x80\2\x8A\x08\0\0\0\0\0\0\0\x80."sv)), INT64_MIN);
}

TEST(Pickle, ReadsTheOtherAtoms) {
  EXPECT_TRUE(std::holds_alternative<std::monostate>(read("\x80\2N."sv).value));
  EXPECT_TRUE(as<bool>(read("\x80\2\x88."sv)));
  EXPECT_FALSE(as<bool>(read("\x80\2\x89."sv)));
  EXPECT_EQ(as<double>(read("\x80\2G\xBF\xF8\0\0\0\0\0\0."sv)), -1.5);
  EXPECT_EQ(as<std::string>(read("\x80\2X\3\0\0\0abc."sv)), "abc");
  EXPECT_EQ(as<std::string>(read("\x80\4\x8C\2hi."sv)), "hi");
  EXPECT_EQ(as<std::string>(read("\x80\4\x8D\2\0\0\0\0\0\0\0hi."sv)), "hi");
}

TEST(Pickle, ReadsEveryKindOfBytes) {
  for (const auto pickle : {"\x80\2U\2a\xFF."sv, "\x80\2T\2\0\0\0a\xFF."sv, "\x80\3C\2a\xFF."sv,
                            "\x80\3B\2\0\0\0a\xFF."sv, "\x80\4\x8E\2\0\0\0\0\0\0\0a\xFF."sv,
                            "\x80\5\x96\2\0\0\0\0\0\0\0a\xFF."sv}) {
    const PickleValue value = read(pickle);
    EXPECT_TRUE(std::holds_alternative<std::vector<std::byte>>(value.value));
    EXPECT_EQ(text(value), "a\xFF");
  }
}

TEST(Pickle, ReadsTuples) {
  EXPECT_TRUE(items(read("\x80\2)."sv)).empty());
  EXPECT_EQ(items(read("\x80\2K\1\x85."sv)).size(), 1U);
  const PickleValue pair = read("\x80\2K\4K\3\x86."sv);
  EXPECT_EQ(as<int64_t>(items(pair)[0]), 4);
  EXPECT_EQ(as<int64_t>(items(pair)[1]), 3);
  EXPECT_EQ(items(read("\x80\2K\1K\2K\3\x87."sv)).size(), 3U);
  EXPECT_EQ(items(read("\x80\2(K\1K\2K\3K\4t."sv)).size(), 4U);
}

TEST(Pickle, ReadsListsAndDictionaries) {
  const PickleValue list = read("\x80\2]q\0(K\1K\2eK\3a."sv);
  ASSERT_EQ(items(list).size(), 3U);
  EXPECT_EQ(as<int64_t>(items(list)[2]), 3);

  const PickleValue dict = read("\x80\2}q\0(X\1\0\0\0aK\1U\1bK\2uX\1\0\0\0cK\3s."sv);
  EXPECT_EQ(as<int64_t>(*dict.find("a")), 1);
  EXPECT_EQ(as<int64_t>(*dict.find("b")), 2);  // a Python 2 str as key
  EXPECT_EQ(as<int64_t>(*dict.find("c")), 3);
  EXPECT_EQ(dict.find("d"), nullptr);
  EXPECT_EQ(list.find("a"), nullptr);
}

TEST(Pickle, LaterKeyCounts) {
  EXPECT_EQ(as<int64_t>(*read("\x80\2}(U\1aK\1U\1aK\2u."sv).find("a")), 2);
}

TEST(Pickle, MemoSharesContainers) {
  // x = [7]; [x, x], through each pair of opcodes.
  for (const auto pickle : {"\x80\2](]q\1K\7ah\1e."sv, "\x80\2](]r\1\0\0\0K\7aj\1\0\0\0e."sv,
                            "\x80\4\x95\x0B\0\0\0\0\0\0\0](]\x94K\7ah\0e."sv}) {
    const PickleValue list = read(pickle);
    ASSERT_EQ(items(list).size(), 2U);
    EXPECT_EQ(&items(items(list)[0]), &items(items(list)[1]));
    EXPECT_EQ(as<int64_t>(items(items(list)[1])[0]), 7);
  }
}

TEST(Pickle, GlobalsOnTheListAreNamedNotCalled) {
  static constexpr std::array kGlobals{"torch Size"sv, "torch float16"sv};
  const auto dtype = as<PickleValue::Global>(read("\x80\2ctorch\nfloat16\n."sv, kGlobals));
  EXPECT_EQ(dtype.module, "torch");
  EXPECT_EQ(dtype.name, "float16");
  const auto stacked =
      as<PickleValue::Global>(read("\x80\4\x8C\5torch\x8C\4Size\x93."sv, kGlobals));
  EXPECT_EQ(stacked.name, "Size");

  const PickleValue call = read("\x80\2ctorch\nSize\n)\x85R."sv, kGlobals);
  const auto& made = *as<std::shared_ptr<PickleValue::Call>>(call);
  EXPECT_EQ(made.function.name, "Size");
  ASSERT_EQ(made.arguments.size(), 1U);
  EXPECT_TRUE(items(made.arguments[0]).empty());
}

TEST(Pickle, ReadsNumpyArraysOfPython2) {
  static constexpr std::array kGlobals{"numpy.core.multiarray _reconstruct"sv, "numpy ndarray"sv,
                                       "numpy dtype"sv};
  const PickleValue array = read(
      "\x80\2cnumpy.core.multiarray\n_reconstruct\nq\1cnumpy\nndarray\nq\2K\0\x85U\1b\x87Rq\3"
      "(K\1K\1K\4\x86"
      "cnumpy\ndtype\nq\4U\2u1K\0K\1\x87Rq\5(K\3U\1|NNNJ\xFF\xFF\xFF\xFFJ\xFF\xFF\xFF\xFFK\0tb"
      "\x89U\4\1\2\3\4tb."sv,
      kGlobals);
  const auto& call = *as<std::shared_ptr<PickleValue::Call>>(array);
  EXPECT_EQ(call.function.name, "_reconstruct");
  ASSERT_EQ(call.arguments.size(), 4U);  // three of the call, then the state
  const auto& state = items(call.arguments[3]);
  EXPECT_EQ(as<int64_t>(items(state[1])[1]), 4);
  EXPECT_EQ(text(state[4]), "\1\2\3\4");
}

TEST(Pickle, RefusesForeignGlobals) {
  static constexpr std::array kGlobals{"torch Size"sv};
  expect_refused("\x80\2cos\nsystem\nU\7echo hi\x85R."sv, "'os system'", kGlobals);
  expect_refused("\x80\4\x8C\5posix\x8C\6system\x93."sv, "'posix system'", kGlobals);
  expect_refused("\x80\2ctorch\nSize2\n."sv, "'torch Size2'", kGlobals);
  expect_refused("\x80\2ctorch Size\nx\n."sv, "'torch Size x'", kGlobals);
  expect_refused("\x80\4K\1K\2\x93."sv, "not named by strings", kGlobals);
}

TEST(Pickle, RefusesEveryOtherOpcode) {
  constexpr std::string_view kKnown =
      "(.GJKMNRTUXabcehjqrstu)]}BC\x80\x85\x86\x87\x88\x89\x8A\x8C\x8D\x8E\x93\x94\x95\x96"sv;
  int refused = 0;
  for (int opcode = 0; opcode < 256; ++opcode) {
    const char letter = static_cast<char>(opcode);
    if (letter != '\x80' && kKnown.find(letter) != std::string_view::npos) continue;
    SCOPED_TRACE(opcode);
    expect_refused("\x80\2N"s + letter + std::string(16, '\0') + ".",
                   fmt::format("opcode 0x{:02X}", opcode));
    ++refused;
  }
  EXPECT_EQ(refused, 256 - 40);
}

TEST(Pickle, RefusesPersistentIds) {
  expect_refused("\x80\2U\1aQ."sv, "opcode 0x51");
  expect_refused("\x80\2Pa\n."sv, "opcode 0x50");
}

TEST(Pickle, RefusesCallsOfOtherThings) {
  expect_refused("\x80\2K\1)R."sv, "call of something that is no global");
  expect_refused("\x80\2]K\1b."sv, "no call");
}

TEST(Pickle, RefusesOtherProtocols) {
  expect_refused("I1\n."sv, "protocol 2 to 5");
  expect_refused("\x80\1K\1."sv, "protocol 1");
  expect_refused("\x80\6K\1."sv, "protocol 6");
  expect_refused(""sv, "cut short");
}

TEST(Pickle, RefusesSelfReference) {
  expect_refused("\x80\2]q\0h\0a."sv, "hold itself");          // l.append(l)
  expect_refused("\x80\2}q\0K\1h\0s."sv, "hold itself");       // d[1] = d
  expect_refused("\x80\2]q\0]q\1ah\1h\0a."sv, "hold itself");  // l = [m]; m.append(l)
}

TEST(Pickle, LimitsDepth) {
  const auto nested = [](size_t depth) {
    return "\x80\2" + std::string(depth, ']') + std::string(depth - 1, 'a') + ".";
  };
  EXPECT_NO_THROW(read(nested(64)));
  expect_refused(nested(65), "nested deeper than 64");
}

TEST(Pickle, LimitsCopiesOfStrings) {
  std::string pickle = "\x80\2](T"s + "\0\0\x10\0"s + std::string(1 << 20, 'x') + "q\0"s;
  for (int i = 0; i < 100; ++i) pickle += "h\0"sv;
  expect_refused(pickle + "e.", "more data than its size allows");
}

TEST(Pickle, RefusesEveryTruncation) {
  const auto whole = "\x80\2}q\0(X\1\0\0\0aG\xBF\xF8\0\0\0\0\0\0U\1b](K\1J\0\0\0\1eu."sv;
  EXPECT_NO_THROW(read(whole));
  for (size_t size = 0; size < whole.size(); ++size) {
    SCOPED_TRACE(size);
    expect_refused(whole.substr(0, size), "pickle");
  }
}

TEST(Pickle, RefusesBrokenStacks) {
  expect_refused("\x80\2."sv, "unfinished");
  expect_refused("\x80\2K\1K\2."sv, "unfinished");
  expect_refused("\x80\2(K\1."sv, "unfinished");
  expect_refused("\x80\2K\1.K\1."sv, "follow the end");
  expect_refused("\x80\2e."sv, "mark");
  expect_refused("\x80\2](K\1a."sv, "");  // would reach below the mark
  expect_refused("\x80\2}(K\1u."sv, "no value");
  expect_refused("\x80\2h\0."sv, "never stored");
  expect_refused("\x80\2K\1K\2a."sv, "no list");
  expect_refused("\x80\2\x8A\x09\0\0\0\0\0\0\0\0\1."sv, "9 bytes");
  expect_refused("\x80\4\x8E\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF."sv, "cut short");
}

}  // namespace
}  // namespace octet
