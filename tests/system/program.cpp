#include "tests/system/program.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>

#include "base/files.h"
#include "tests/temporary_folder.h"

namespace octet::system_test {
namespace {

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> list;
  list.reserve(words.size() + 1);
  for (std::string& word : words) list.push_back(word.data());
  list.push_back(nullptr);
  return list;
}

int wait_for(pid_t process) {
  int status = 0;
  if (::waitpid(process, &status, 0) != process) throw std::runtime_error("waitpid failed");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// The program running, its output going to files; standard output to `out` where that is given.
class Running {
 public:
  explicit Running(const std::vector<std::string>& arguments,
                   const std::vector<std::string>& environment = {}, const std::string& out = {})
      : out_(out.empty() ? (folder_ / "out").string() : out) {
    std::vector<std::string> words{OCTET_PROGRAM};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<std::string> variables;
    for (char** variable = ::environ; *variable != nullptr; ++variable)
      variables.emplace_back(*variable);
    variables.insert(variables.end(), environment.begin(), environment.end());

    posix_spawn_file_actions_t files{};
    ::posix_spawn_file_actions_init(&files);
    constexpr int kCreate = O_WRONLY | O_CREAT | O_TRUNC;
    ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, out_.c_str(), kCreate, 0600);
    ::posix_spawn_file_actions_addopen(&files, STDERR_FILENO, err_.c_str(), kCreate, 0600);
    const int failure = ::posix_spawn(&process_, OCTET_PROGRAM, &files, nullptr,
                                      pointers(words).data(), pointers(variables).data());
    ::posix_spawn_file_actions_destroy(&files);
    if (failure != 0) throw std::runtime_error("cannot start " OCTET_PROGRAM);
  }

  void interrupt_when_it_says(const std::string& words) const {
    const auto said = [&] {
      if (!std::filesystem::exists(err_)) return false;
      const std::string err = read_text(err_);
      return !err.empty() && err.find(words) != std::string::npos;
    };
    while (!said()) {
      siginfo_t ended{};
      ::waitid(P_PID, static_cast<id_t>(process_), &ended, WEXITED | WNOHANG | WNOWAIT);
      if (ended.si_pid == process_) return;
      ::usleep(1000);
    }
    ::kill(process_, SIGINT);
  }

  [[nodiscard]] Outcome wait() const {
    const int exit_code = wait_for(process_);
    const bool readable = std::filesystem::is_regular_file(out_);
    return {exit_code, readable ? read_text(out_) : "", read_text(err_)};
  }

 private:
  test::TemporaryFolder folder_;
  std::string out_;
  std::string err_ = (folder_ / "err").string();
  pid_t process_ = 0;
};

}  // namespace

Outcome run_octet(const std::vector<std::string>& arguments,
                  const std::vector<std::string>& environment) {
  return Running(arguments, environment).wait();
}

Outcome run_octet_into(const std::string& path, const std::vector<std::string>& arguments) {
  return Running(arguments, {}, path).wait();
}

Outcome interrupt_octet(const std::vector<std::string>& arguments, const std::string& words) {
  const Running program(arguments);
  program.interrupt_when_it_says(words);
  return program.wait();
}

}  // namespace octet::system_test
