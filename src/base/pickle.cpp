#include "base/pickle.h"

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstring>
#include <unordered_map>

#include "base/error.h"

namespace octet {
namespace {

constexpr int kMaxDepth = 64;
constexpr size_t kMaxValues = 16'000'000;
/// Strings fetched from the memo are copies; a file may grow by this factor and this much.
constexpr size_t kMaxGrowth = 4;
constexpr size_t kGrowthAllowance = 64u << 20;

// The opcodes that are read.
constexpr uint8_t kMark = '(';
constexpr uint8_t kStop = '.';
constexpr uint8_t kBinFloat = 'G';
constexpr uint8_t kBinInt = 'J';
constexpr uint8_t kBinInt1 = 'K';
constexpr uint8_t kBinInt2 = 'M';
constexpr uint8_t kNone = 'N';
constexpr uint8_t kReduce = 'R';
constexpr uint8_t kBinString = 'T';
constexpr uint8_t kShortBinString = 'U';
constexpr uint8_t kBinUnicode = 'X';
constexpr uint8_t kAppend = 'a';
constexpr uint8_t kBuild = 'b';
constexpr uint8_t kGlobal = 'c';
constexpr uint8_t kAppends = 'e';
constexpr uint8_t kBinGet = 'h';
constexpr uint8_t kLongBinGet = 'j';
constexpr uint8_t kBinPut = 'q';
constexpr uint8_t kLongBinPut = 'r';
constexpr uint8_t kSetItem = 's';
constexpr uint8_t kTuple = 't';
constexpr uint8_t kSetItems = 'u';
constexpr uint8_t kEmptyTuple = ')';
constexpr uint8_t kEmptyList = ']';
constexpr uint8_t kEmptyDict = '}';
constexpr uint8_t kBinBytes = 'B';
constexpr uint8_t kShortBinBytes = 'C';
constexpr uint8_t kProto = 0x80;
constexpr uint8_t kTuple1 = 0x85;
constexpr uint8_t kTuple2 = 0x86;
constexpr uint8_t kTuple3 = 0x87;
constexpr uint8_t kNewTrue = 0x88;
constexpr uint8_t kNewFalse = 0x89;
constexpr uint8_t kLong1 = 0x8A;
constexpr uint8_t kShortBinUnicode = 0x8C;
constexpr uint8_t kBinUnicode8 = 0x8D;
constexpr uint8_t kBinBytes8 = 0x8E;
constexpr uint8_t kStackGlobal = 0x93;
constexpr uint8_t kMemoize = 0x94;
constexpr uint8_t kFrame = 0x95;
constexpr uint8_t kByteArray8 = 0x96;

class PickleReader {
 public:
  PickleReader(std::span<const std::byte> bytes, std::span<const std::string_view> globals,
               std::string_view where)
      : bytes_(bytes),
        globals_(globals),
        where_(where),
        payload_left_(bytes.size() * kMaxGrowth + kGrowthAllowance) {}

  PickleValue read();

 private:
  using List = PickleValue::List;
  using Dict = PickleValue::Dict;

  /// What is known of a container beside its contents. It may be filled only until it is fetched
  /// from the memo the first time: so a value can never hold itself.
  struct Container {
    int depth = 1;
    bool fetched = false;
  };

  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) const {
    fail_input("{}: pickle, byte {}: {}", where_, opcode_at_,
               fmt::format(format, std::forward<Args>(args)...));
  }

  void step(uint8_t opcode);
  bool step_literal(uint8_t opcode);
  bool step_container(uint8_t opcode);
  bool step_memo(uint8_t opcode);
  void check_protocol();

  std::span<const std::byte> take(size_t size);
  template <std::unsigned_integral T>
  T take_little_endian();
  std::string_view take_line();
  int64_t take_long();
  double take_float();

  void push(PickleValue value);
  PickleValue pop();
  List pop_to_mark();
  void push_text(uint64_t size);
  void push_bytes(uint64_t size);
  void push_global(std::string_view module, std::string_view name);
  template <typename T>
  void push_container(std::shared_ptr<T> container);
  void push_tuple(List items);
  template <typename T>
  T& open_container(const char* what);

  void append(List items);
  void set_items(List items);
  void reduce();
  void build();
  void put(uint32_t index);
  void get(uint32_t index);

  void charge(const PickleValue& value);
  void nest(const void* container, const PickleValue& child);
  [[nodiscard]] const void* container_of(const PickleValue& value) const;

  std::span<const std::byte> bytes_;
  std::span<const std::string_view> globals_;
  std::string_view where_;
  size_t payload_left_;
  size_t values_left_ = kMaxValues;
  size_t at_ = 0;
  size_t opcode_at_ = 0;
  List stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint32_t, PickleValue> memo_;
  std::unordered_map<const void*, Container> containers_;
};

PickleValue PickleReader::read() {
  check_protocol();
  while (true) {
    opcode_at_ = at_;
    const uint8_t opcode = take_little_endian<uint8_t>();
    if (opcode == kStop) break;
    step(opcode);
  }
  if (at_ != bytes_.size()) refuse("{} bytes follow the end", bytes_.size() - at_);
  if (stack_.size() != 1 || !marks_.empty()) refuse("ends with an unfinished value");
  return pop();
}

void PickleReader::check_protocol() {
  if (take_little_endian<uint8_t>() != kProto) {
    refuse("not a pickle of protocol 2 to 5, the only ones that are read");
  }
  const int protocol = take_little_endian<uint8_t>();
  if (protocol < 2 || protocol > 5) refuse("protocol {} is not read, only 2 to 5", protocol);
}

void PickleReader::step(uint8_t opcode) {
  if (step_literal(opcode) || step_container(opcode) || step_memo(opcode)) return;
  refuse("opcode 0x{:02X} is not one that plain data needs; it is refused", opcode);
}

bool PickleReader::step_literal(uint8_t opcode) {
  // clang-format off
  switch (opcode) {
    case kNone: push({}); return true;
    case kNewTrue: push({true}); return true;
    case kNewFalse: push({false}); return true;
    case kBinInt1: push({int64_t{take_little_endian<uint8_t>()}}); return true;
    case kBinInt2: push({int64_t{take_little_endian<uint16_t>()}}); return true;
    case kBinInt:
      push({int64_t{std::bit_cast<int32_t>(take_little_endian<uint32_t>())}});
      return true;
    case kLong1: push({take_long()}); return true;
    case kBinFloat: push({take_float()}); return true;
    case kShortBinUnicode: push_text(take_little_endian<uint8_t>()); return true;
    case kBinUnicode: push_text(take_little_endian<uint32_t>()); return true;
    case kBinUnicode8: push_text(take_little_endian<uint64_t>()); return true;
    case kShortBinString:
    case kShortBinBytes: push_bytes(take_little_endian<uint8_t>()); return true;
    case kBinString:
    case kBinBytes: push_bytes(take_little_endian<uint32_t>()); return true;
    case kBinBytes8:
    case kByteArray8: push_bytes(take_little_endian<uint64_t>()); return true;
    default: return false;
  }
  // clang-format on
}

bool PickleReader::step_container(uint8_t opcode) {
  const auto take_top = [this](size_t count) {
    List items(count);
    for (size_t i = count; i-- > 0;) items[i] = pop();
    return items;
  };
  // clang-format off
  switch (opcode) {
    case kMark: marks_.push_back(stack_.size()); return true;
    case kEmptyTuple: push_tuple({}); return true;
    case kTuple1: push_tuple(take_top(1)); return true;
    case kTuple2: push_tuple(take_top(2)); return true;
    case kTuple3: push_tuple(take_top(3)); return true;
    case kTuple: push_tuple(pop_to_mark()); return true;
    case kEmptyList: push_container(std::make_shared<List>()); return true;
    case kEmptyDict: push_container(std::make_shared<Dict>()); return true;
    case kAppend: append(take_top(1)); return true;
    case kAppends: append(pop_to_mark()); return true;
    case kSetItem: set_items(take_top(2)); return true;
    case kSetItems: set_items(pop_to_mark()); return true;
    case kReduce: reduce(); return true;
    case kBuild: build(); return true;
    default: return false;
  }
  // clang-format on
}

bool PickleReader::step_memo(uint8_t opcode) {
  // clang-format off
  switch (opcode) {
    case kBinPut: put(take_little_endian<uint8_t>()); return true;
    case kLongBinPut: put(take_little_endian<uint32_t>()); return true;
    case kMemoize: put(static_cast<uint32_t>(memo_.size())); return true;
    case kBinGet: get(take_little_endian<uint8_t>()); return true;
    case kLongBinGet: get(take_little_endian<uint32_t>()); return true;
    case kFrame: take_little_endian<uint64_t>(); return true;  // a hint for streams only
    default: break;
  }
  // clang-format on
  if (opcode == kGlobal) {
    const std::string_view module = take_line();
    push_global(module, take_line());
    return true;
  }
  if (opcode != kStackGlobal) return false;
  const PickleValue name = pop();
  const PickleValue module = pop();
  if (!name.text() || !module.text()) refuse("a global is not named by strings");
  push_global(*module.text(), *name.text());
  return true;
}

std::span<const std::byte> PickleReader::take(size_t size) {
  if (size > bytes_.size() - at_) {
    refuse("needs {} more bytes where {} are left; the file is cut short or broken", size,
           bytes_.size() - at_);
  }
  at_ += size;
  return bytes_.subspan(at_ - size, size);
}

template <std::unsigned_integral T>
T PickleReader::take_little_endian() {
  uint64_t value = 0;
  const auto bytes = take(sizeof(T));
  for (size_t i = 0; i < sizeof(T); ++i) value |= std::to_integer<uint64_t>(bytes[i]) << (8 * i);
  return static_cast<T>(value);
}

std::string_view PickleReader::take_line() {
  const auto rest = bytes_.subspan(at_);
  const auto end = std::ranges::find(rest, std::byte{'\n'});
  const auto line = take(static_cast<size_t>(end - rest.begin()));
  take(1);
  return {reinterpret_cast<const char*>(line.data()), line.size()};
}

int64_t PickleReader::take_long() {
  const size_t size = take_little_endian<uint8_t>();
  if (size > sizeof(int64_t)) refuse("an integer of {} bytes; at most 8 are read", size);
  const auto bytes = take(size);
  if (size == 0) return 0;
  const bool negative = (bytes.back() & std::byte{0x80}) != std::byte{0};
  uint64_t value = negative ? ~uint64_t{0} : 0;
  for (size_t i = 0; i < size; ++i) {
    value &= ~(uint64_t{0xFF} << (8 * i));
    value |= std::to_integer<uint64_t>(bytes[i]) << (8 * i);
  }
  return std::bit_cast<int64_t>(value);
}

double PickleReader::take_float() {
  uint64_t bits = 0;
  for (const std::byte byte : take(sizeof(double))) {  // the one big-endian number of the format
    bits = bits << 8 | std::to_integer<uint64_t>(byte);
  }
  return std::bit_cast<double>(bits);
}

void PickleReader::push(PickleValue value) {
  charge(value);
  stack_.push_back(std::move(value));
}

PickleValue PickleReader::pop() {
  const size_t floor = marks_.empty() ? 0 : marks_.back();
  if (stack_.size() <= floor) refuse("takes a value that is not there");
  PickleValue value = std::move(stack_.back());
  stack_.pop_back();
  return value;
}

PickleValue::List PickleReader::pop_to_mark() {
  if (marks_.empty()) refuse("takes values up to a mark that is not there");
  const auto begin = stack_.begin() + static_cast<ptrdiff_t>(marks_.back());
  List items(std::make_move_iterator(begin), std::make_move_iterator(stack_.end()));
  stack_.erase(begin, stack_.end());
  marks_.pop_back();
  return items;
}

void PickleReader::push_text(uint64_t size) {
  const auto bytes = take(size);
  push({std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size())});
}

void PickleReader::push_bytes(uint64_t size) {
  const auto bytes = take(size);
  push({std::vector<std::byte>(bytes.begin(), bytes.end())});
}

void PickleReader::push_global(std::string_view module, std::string_view name) {
  const std::string full = fmt::format("{} {}", module, name);
  if (std::ranges::find(globals_, full) == globals_.end()) {
    refuse("asks for the Python object '{}', which is not on the list of harmless ones; refused",
           full);
  }
  push({PickleValue::Global{std::string(module), std::string(name)}});
}

template <typename T>
void PickleReader::push_container(std::shared_ptr<T> container) {
  containers_.insert_or_assign(container.get(), Container{});
  push({std::move(container)});
}

void PickleReader::push_tuple(List items) {
  auto tuple = std::make_shared<PickleValue::Tuple>();
  const void* key = tuple.get();
  push_container(tuple);
  for (const PickleValue& item : items) nest(key, item);
  tuple->items = std::move(items);
}

/// The container on top of the stack, still being filled.
template <typename T>
T& PickleReader::open_container(const char* what) {
  PickleValue value = pop();
  const auto* container = std::get_if<std::shared_ptr<T>>(&value.value);
  if (container == nullptr) refuse("adds to something that is no {}", what);
  if (containers_.at(container->get()).fetched) {
    refuse("adds to a {} that is already in use elsewhere (it may hold itself); refused", what);
  }
  T& target = **container;
  stack_.push_back(std::move(value));
  return target;
}

void PickleReader::append(List items) {
  List& list = open_container<List>("list");
  for (PickleValue& item : items) {
    nest(&list, item);
    list.push_back(std::move(item));
  }
}

void PickleReader::set_items(List items) {
  if (items.size() % 2 != 0) refuse("a dictionary key has no value");
  Dict& dict = open_container<Dict>("dictionary");
  for (size_t i = 0; i < items.size(); i += 2) {
    nest(&dict, items[i]);
    nest(&dict, items[i + 1]);
    dict.emplace_back(std::move(items[i]), std::move(items[i + 1]));
  }
}

void PickleReader::reduce() {
  PickleValue arguments = pop();
  PickleValue function = pop();
  const auto* tuple = std::get_if<std::shared_ptr<PickleValue::Tuple>>(&arguments.value);
  const auto* global = std::get_if<PickleValue::Global>(&function.value);
  if (tuple == nullptr || global == nullptr) refuse("a call of something that is no global");
  for (const PickleValue& item : (*tuple)->items) charge(item);
  auto call = std::make_shared<PickleValue::Call>(PickleValue::Call{*global, (*tuple)->items});
  const void* key = call.get();
  push_container(std::move(call));
  nest(key, arguments);
}

void PickleReader::build() {
  PickleValue state = pop();
  auto& call = open_container<PickleValue::Call>("call");
  nest(&call, state);
  call.arguments.push_back(std::move(state));
}

void PickleReader::put(uint32_t index) {
  PickleValue value = pop();
  charge(value);
  memo_.insert_or_assign(index, value);
  stack_.push_back(std::move(value));
}

void PickleReader::get(uint32_t index) {
  const auto entry = memo_.find(index);
  if (entry == memo_.end()) refuse("fetches value {}, which was never stored", index);
  const auto container = containers_.find(container_of(entry->second));
  if (container != containers_.end()) container->second.fetched = true;
  push(entry->second);
}

void PickleReader::charge(const PickleValue& value) {
  const auto text = value.text();
  const size_t payload = text ? text->size() : 0;
  if (values_left_ == 0 || payload > payload_left_) refuse("holds more data than its size allows");
  --values_left_;
  payload_left_ -= payload;
}

void PickleReader::nest(const void* container, const PickleValue& child) {
  const auto inner = containers_.find(container_of(child));
  if (inner == containers_.end()) return;
  int& depth = containers_.at(container).depth;
  depth = std::max(depth, inner->second.depth + 1);
  if (depth > kMaxDepth) refuse("nested deeper than {}", kMaxDepth);
}

const void* PickleReader::container_of(const PickleValue& value) const {
  if (const auto* list = std::get_if<std::shared_ptr<List>>(&value.value)) return list->get();
  if (const auto* dict = std::get_if<std::shared_ptr<Dict>>(&value.value)) return dict->get();
  if (const auto* tuple = std::get_if<std::shared_ptr<PickleValue::Tuple>>(&value.value)) {
    return tuple->get();
  }
  if (const auto* call = std::get_if<std::shared_ptr<PickleValue::Call>>(&value.value)) {
    return call->get();
  }
  return nullptr;
}

}  // namespace

const PickleValue* PickleValue::find(std::string_view key) const {
  const auto* dict = std::get_if<std::shared_ptr<Dict>>(&value);
  if (dict == nullptr) return nullptr;
  const auto found = std::find_if((*dict)->rbegin(), (*dict)->rend(),
                                  [&](const auto& item) { return item.first.text() == key; });
  return found == (*dict)->rend() ? nullptr : &found->second;
}

std::optional<std::string_view> PickleValue::text() const {
  if (const auto* string = std::get_if<std::string>(&value)) return *string;
  const auto* bytes = std::get_if<std::vector<std::byte>>(&value);
  if (bytes == nullptr) return std::nullopt;
  return std::string_view(reinterpret_cast<const char*>(bytes->data()), bytes->size());
}

PickleValue read_pickle(std::span<const std::byte> bytes, std::span<const std::string_view> globals,
                        std::string_view where) {
  return PickleReader(bytes, globals, where).read();
}

}  // namespace octet
