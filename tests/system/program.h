#pragma once

#include <string>
#include <vector>

namespace octet::system_test {

/// Is the program built with a sanitizer? Then it takes twenty times as long, and whole evaluations
/// are left to the tests of their own room.
#ifdef OCTET_SANITIZED
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

struct Outcome {
  int exit_code = -1;  ///< 128 + signal when a signal ended the program
  std::string out;
  std::string err;
};

/// Runs the built program with these arguments, standard input empty, and waits for its end.
/// `environment` ("NAME=value") is added to this process's own.
Outcome run_octet(const std::vector<std::string>& arguments,
                  const std::vector<std::string>& environment = {});

/// The same with its standard output going to `path`, so that `out` stays empty.
Outcome run_octet_into(const std::string& path, const std::vector<std::string>& arguments);

/// The same, but sends SIGINT as soon as the program has written `words` (anything, when they are
/// empty; run it with -v) to stderr.
Outcome interrupt_octet(const std::vector<std::string>& arguments, const std::string& words = "");

}  // namespace octet::system_test
