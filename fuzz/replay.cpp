// Stands in for libFuzzer where there is none: gives each file named on the command line to the
// fuzz target once.

#include <cstdint>
#include <cstdio>
#include <exception>

#include "base/files.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

int main(int count, char** words) {
  try {
    for (int i = 1; i < count; ++i) {
      const auto file = octet::MappedFile::open(words[i]);
      const auto bytes = file->bytes();
      LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
      std::printf("%s: %zu bytes, no finding\n", words[i], bytes.size());
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "replay: %s\n", error.what());
    return 1;
  }
  return 0;
}
