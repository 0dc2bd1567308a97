// SPDX-License-Identifier: Apache-2.0
// Opcodes: Python's pickletools.py.
#include "checkpoint/pickle.h"

#include <bit>
#include <unordered_map>

#include "base/error.h"
#include "base/formats/json.h"

namespace loralens {
namespace {

constexpr size_t most_values = 2'000'000;

class Unpickler {
 public:
  Unpickler(std::string_view bytes, const std::string& where) : bytes_(bytes), where_(where) {}

  Pickle run() {
    while (!done_) step(static_cast<uint8_t>(take(1)[0]));
    if (at_ != bytes_.size()) fail("{}: {} bytes follow the end of its pickle", where_, bytes_.size() - at_);
    pickle_.root = pop();
    if (!stack_.empty()) damaged();
    return std::move(pickle_);
  }

 private:
  [[noreturn]] void damaged() const {
    fail("{}: its pickle is damaged at byte {}: fetch or copy the file again", where_, at_);
  }

  std::string_view take(uint64_t count) {
    if (count > bytes_.size() - at_) damaged();
    at_ += count;
    return bytes_.substr(at_ - count, count);
  }

  uint64_t take_unsigned(size_t size) {
    const std::string_view taken = take(size);
    uint64_t value = 0;
    for (size_t i = 0; i < size; ++i) value |= uint64_t{static_cast<uint8_t>(taken[i])} << (8 * i);
    return value;
  }

  std::string take_line() {
    const size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) damaged();
    std::string line(take(end - at_));
    take(1);
    return line;
  }

  void push(PickleValue value) {
    if (pickle_.values.size() == most_values)
      fail("{}: its pickle has more than {} values: no file of tensors has as many", where_, most_values);
    stack_.push_back(static_cast<uint32_t>(pickle_.values.size()));
    pickle_.values.push_back(std::move(value));
  }
  void push_number(PickleKind kind, int64_t number) { push({.kind = kind, .number = number}); }
  void push_text(std::string_view text) { push({.kind = PickleKind::text, .text = std::string(text)}); }

  uint32_t pop() {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) damaged();
    const uint32_t index = stack_.back();
    stack_.pop_back();
    return index;
  }

  // The values above the last mark, which is removed.
  std::vector<uint32_t> pop_to_mark() {
    if (marks_.empty()) damaged();
    std::vector<uint32_t> items(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return items;
  }

  std::vector<uint32_t> pop_last(size_t count) {
    std::vector<uint32_t> items(count);
    for (size_t i = count; i > 0; --i) items[i - 1] = pop();
    return items;
  }

  void push_items(PickleKind kind, std::vector<uint32_t> items) { push({.kind = kind, .items = std::move(items)}); }

  PickleValue& top() {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) damaged();
    return pickle_.values[stack_.back()];
  }

  // Adds items to the list, dict or OrderedDict() at the top.
  void append(const std::vector<uint32_t>& items, bool pairs) {
    PickleValue& target = top();
    const bool list = target.kind == PickleKind::list;
    if (target.kind == PickleKind::call && pairs) become_dict(target);
    if ((pairs ? target.kind != PickleKind::dict : !list) || (pairs && items.size() % 2 != 0)) damaged();
    target.items.insert(target.items.end(), items.begin(), items.end());
  }

  // Turns the call OrderedDict() into an empty dict. Error for another call: its result is no plain dict.
  void become_dict(PickleValue& call) const {
    const PickleValue& called = pickle_.values[call.items[0]];
    if (called.text != "collections OrderedDict")
      fail("{}: items are set on a Python object {}, which is not read", where_, quoted(called.text));
    call.kind = PickleKind::dict;
    call.items.clear();
  }

  void memoize(uint64_t place) {
    top();
    memo_[place] = stack_.back();
    if (memo_.size() > most_values) damaged();
  }

  void recall(uint64_t place) {
    const auto found = memo_.find(place);
    if (found == memo_.end()) damaged();
    stack_.push_back(found->second);
  }

  void push_global(const std::string& module, const std::string& name) {
    constexpr size_t longest = 200;  // each value holds a copy
    if (module.size() + name.size() > longest) damaged();
    push({.kind = PickleKind::global, .text = module + " " + name});
  }

  void push_long(uint64_t size) {
    if (size > 8) fail("{}: its pickle holds an integer of {} bytes: no file of tensors does", where_, size);
    uint64_t value = take_unsigned(size);
    if (size > 0 && size < 8 && (value >> (8 * size - 1)) != 0) value |= ~uint64_t{0} << (8 * size);
    push_number(PickleKind::integer, std::bit_cast<int64_t>(value));
  }

  void stack_global() {
    const auto parts = pop_last(2);
    for (const uint32_t part : parts)
      if (pickle_.values[part].kind != PickleKind::text) damaged();
    push_global(pickle_.values[parts[0]].text, pickle_.values[parts[1]].text);
  }

  void call() {
    const auto parts = pop_last(2);
    if (pickle_.values[parts[0]].kind != PickleKind::global || pickle_.values[parts[1]].kind != PickleKind::tuple)
      damaged();
    push_items(PickleKind::call, parts);
  }

  bool step_constant(uint8_t code);
  bool step_container(uint8_t code);
  void step(uint8_t code);

  std::string_view bytes_;
  const std::string& where_;
  size_t at_ = 0;
  bool done_ = false;
  Pickle pickle_;
  std::vector<uint32_t> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint64_t, uint32_t> memo_;
};

// Opcodes that push a value without items.
bool Unpickler::step_constant(uint8_t code) {
  switch (code) {
    case 'N': push({}); break;
    case 0x88: push_number(PickleKind::truth, 1); break;
    case 0x89: push_number(PickleKind::truth, 0); break;
    case 'J': push_number(PickleKind::integer, static_cast<int32_t>(take_unsigned(4))); break;
    case 'K': push_number(PickleKind::integer, static_cast<int64_t>(take_unsigned(1))); break;
    case 'M': push_number(PickleKind::integer, static_cast<int64_t>(take_unsigned(2))); break;
    case 0x8a: push_long(take_unsigned(1)); break;
    case 0x8b: push_long(take_unsigned(4)); break;
    case 'G': {  // big endian
      const uint64_t bits = __builtin_bswap64(take_unsigned(8));
      push({.kind = PickleKind::real, .real = std::bit_cast<double>(bits)});
      break;
    }
    case 'X':
    case 'B':
    case 'T': push_text(take(take_unsigned(4))); break;
    case 0x8c:
    case 'C':
    case 'U': push_text(take(take_unsigned(1))); break;
    case 0x8d:
    case 0x8e: push_text(take(take_unsigned(8))); break;
    case 'c': {
      const std::string module = take_line();
      push_global(module, take_line());
      break;
    }
    case 0x93: stack_global(); break;
    default: return false;
  }
  return true;
}

// Opcodes of lists, tuples and dicts.
bool Unpickler::step_container(uint8_t code) {
  switch (code) {
    case '(': marks_.push_back(stack_.size()); break;
    case ']': push_items(PickleKind::list, {}); break;
    case '}': push_items(PickleKind::dict, {}); break;
    case ')': push_items(PickleKind::tuple, {}); break;
    case 'l': push_items(PickleKind::list, pop_to_mark()); break;
    case 't': push_items(PickleKind::tuple, pop_to_mark()); break;
    case 0x85:
    case 0x86:
    case 0x87: push_items(PickleKind::tuple, pop_last(code - 0x84)); break;
    case 'd': {
      auto items = pop_to_mark();
      if (items.size() % 2 != 0) damaged();
      push_items(PickleKind::dict, std::move(items));
      break;
    }
    case 'a': {
      const auto items = pop_last(1);
      append(items, /*pairs=*/false);
      break;
    }
    case 's': {
      const auto items = pop_last(2);
      append(items, /*pairs=*/true);
      break;
    }
    case 'e': {
      const auto items = pop_to_mark();
      append(items, /*pairs=*/false);
      break;
    }
    case 'u': {
      const auto items = pop_to_mark();
      append(items, /*pairs=*/true);
      break;
    }
    default: return false;
  }
  return true;
}

void Unpickler::step(uint8_t code) {
  if (step_constant(code) || step_container(code)) return;
  switch (code) {
    case 0x80:
      if (const uint64_t version = take_unsigned(1); version > 5)
        fail("{}: a pickle of protocol {}; protocols up to 5 are read", where_, version);
      break;
    case 0x95: take_unsigned(8); break;  // a frame: its length is only a hint
    case 'q': memoize(take_unsigned(1)); break;
    case 'r': memoize(take_unsigned(4)); break;
    case 0x94: memoize(memo_.size()); break;
    case 'h': recall(take_unsigned(1)); break;
    case 'j': recall(take_unsigned(4)); break;
    case 'Q': push_items(PickleKind::persistent, pop_last(1)); break;
    case 'R': call(); break;
    case 'b':
      pop();
      top();
      break;
    case '0': pop(); break;
    case '.': done_ = true; break;
    default:
      fail("{}: its pickle holds the opcode {:#04x} at byte {}, which no file of tensors contains: it is not read",
           where_, code, at_ - 1);
  }
}

}  // namespace

const PickleValue* Pickle::find(const PickleValue& dict, std::string_view key) const {
  if (dict.kind != PickleKind::dict) return nullptr;
  for (size_t i = 0; i + 1 < dict.items.size(); i += 2)
    if (at(dict.items[i]).kind == PickleKind::text && at(dict.items[i]).text == key) return &at(dict.items[i + 1]);
  return nullptr;
}

Pickle read_pickle(std::string_view bytes, const std::string& where) { return Unpickler(bytes, where).run(); }

}  // namespace loralens
