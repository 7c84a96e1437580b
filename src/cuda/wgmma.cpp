#include "cuda/wgmma.h"

#include <fmt/format.h>

#include "base/error.h"

namespace octet::cuda {
namespace {

/// "pattern(0), pattern(1), ..."
std::string list(fmt::format_string<int> pattern, int first, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    if (i > 0) text += ", ";
    text += fmt::format(pattern, first + i);
  }
  return text;
}

std::string name(const WgmmaForm& form) {
  if (form.operand == WgmmaOperand::e4m3) return "wgmma_e4m3";
  if (form.a_transposed) return "wgmma_f16_transposed_a";
  return form.b_transposed ? "wgmma_f16_transposed_b" : "wgmma_f16";
}

/// Scale signs of both operands, and for f16 which of those in shared memory are transposed.
std::string immediates(const WgmmaForm& form) {
  if (form.operand == WgmmaOperand::e4m3) return "1, 1";
  const char* a = form.a_in_registers ? "" : form.a_transposed ? "1, " : "0, ";
  return fmt::format("1, 1, {}{}", a, form.b_transposed ? 1 : 0);
}

/// One overload; `accumulating` takes a flag, the other one only sets the sums.
std::string overload(const WgmmaForm& form, bool accumulating) {
  const int sums = form.n / 2;
  const int a_count = form.a_in_registers ? 4 : 1;
  const bool e4m3 = form.operand == WgmmaOperand::e4m3;
  const std::string a = list("%{}", sums, a_count);
  return fmt::format(
      "__device__ __forceinline__ void {name}(float (&d)[{sums}], {a_type}, unsigned long long b"
      "{parameter}) {{\n"
      "  asm volatile(\"{{.reg .pred add; setp.ne.b32 add, {flag}, 0;\\n\"\n"
      "    \"wgmma.mma_async.sync.aligned.m64n{n}k{k}.f32.{type}.{type} {{{d}}}, \"\n"
      "    \"{a}, %{b}, add, {immediates}; }}\"\n"
      "    : {outputs}\n"
      "    : {inputs}, \"l\"(b){argument});\n"
      "}}\n",
      fmt::arg("name", name(form)), fmt::arg("sums", sums),
      fmt::arg("a_type", form.a_in_registers ? "const unsigned (&a)[4]" : "unsigned long long a"),
      fmt::arg("parameter", accumulating ? ", bool accumulate" : ""),
      fmt::arg("flag", accumulating ? fmt::format("%{}", sums + a_count + 1) : "0"),
      fmt::arg("n", form.n), fmt::arg("k", e4m3 ? 32 : 16), fmt::arg("type", e4m3 ? "e4m3" : "f16"),
      fmt::arg("d", list("%{}", 0, sums)), fmt::arg("a", form.a_in_registers ? "{" + a + "}" : a),
      fmt::arg("b", sums + a_count), fmt::arg("immediates", immediates(form)),
      fmt::arg("outputs",
               accumulating ? list("\"+f\"(d[{}])", 0, sums) : list("\"=f\"(d[{}])", 0, sums)),
      fmt::arg("inputs", form.a_in_registers ? list("\"r\"(a[{}])", 0, 4) : "\"l\"(a)"),
      fmt::arg("argument", accumulating ? ", \"r\"((int)accumulate)" : ""));
}

}  // namespace

std::string wgmma_text(const WgmmaForm& form) {
  check(form.n % 8 == 0 && form.n >= 8 && form.n <= 256, "wgmma of {} columns", form.n);
  check(!(form.a_transposed || form.b_transposed) || form.operand == WgmmaOperand::f16,
        "only f16 operands are transposed");
  check(!(form.a_transposed && (form.a_in_registers || form.b_transposed)),
        "A is transposed in shared memory, and alone");
  return overload(form, true) + overload(form, false);
}

}  // namespace octet::cuda
