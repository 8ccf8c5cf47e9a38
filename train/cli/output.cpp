#include "train/cli/output.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/check.h"

namespace resgrad::cli {
namespace {

int last_error = 0;  // of print_text

}  // namespace

void open_standard_streams() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) != -1 || errno != EBADF) continue;
    // the lowest free number, which is `fd`, for the direction that is not used
    ::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

void print_text(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) < text.size()) last_error = errno;
}

void print_json(const nlohmann::ordered_json& json, int indent) {
  print_text(json.dump(indent, ' ', false, nlohmann::ordered_json::error_handler_t::replace) +
             '\n');
}

void print_error_text(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
}

std::optional<std::string> output_error() {
  // what could not be written waits still: its next try, here or at exit, must not kill
  if (std::ferror(stdout) != 0) std::signal(SIGPIPE, SIG_IGN);
  if (std::fflush(stdout) != 0) last_error = errno;
  if (std::ferror(stdout) == 0) return std::nullopt;
  return last_error == 0 ? "an error" : std::strerror(last_error);
}

void require_not_read(std::string_view op, std::string_view flag, const std::string& output,
                      const std::vector<std::string>& inputs) {
  namespace fs = std::filesystem;
  const fs::path file(output);
  // what data sets are made of; a table of results may lie among them
  constexpr std::array<std::string_view, 6> kOfData{".png", ".jpg", ".jpeg",
                                                    ".bin", ".txt", ".cache"};
  const bool of_data = std::ranges::find(kOfData, file.extension().string()) != kOfData.end();
  for (const std::string& input : inputs) {
    std::error_code error;  // what is not there is no other file
    bool same = fs::equivalent(input, file, error);
    if (of_data && fs::is_directory(input, error)) same = is_below(file, input);
    require<ValueError>(!same, "{}: {}: expected another file than {}, which is read, got {}", op,
                        flag, input, output);
  }
}

bool is_below(const std::filesystem::path& file, const std::filesystem::path& folder) {
  namespace fs = std::filesystem;
  std::error_code file_error, folder_error;
  const fs::path within = fs::canonical(file, file_error);
  const fs::path above = fs::canonical(folder, folder_error);
  return !file_error && !folder_error && std::ranges::mismatch(above, within).in1 == above.end();
}

}  // namespace resgrad::cli
