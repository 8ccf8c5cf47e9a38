#include "data/cifar_folder.h"

#include <algorithm>

#include "core/check.h"

namespace resgrad::data {
namespace {

namespace fs = std::filesystem;

constexpr int kLevels = 3, kMostEntries = 10000;  // searched for what a user may have meant

// Whether `path` is there. Throws IoError when that cannot be told.
bool is_there(const CifarLayout& layout, const fs::path& path) {
  std::error_code error;
  const bool there = fs::exists(path, error);
  require<IoError>(!error, "{}: {}: expected a folder that can be read, got: {}", layout.op,
                   path.parent_path().string(), error.message());
  return there;
}

bool is_archive(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.ends_with(".tar.gz") || name.ends_with(".tgz");
}

std::string quoted(const fs::path& path) {
  std::string text = "'";
  for (const char c : path.string()) text += c == '\'' ? "'\\''" : std::string(1, c);
  return text + "'";
}

std::string unpack(const fs::path& archive, const fs::path& folder) {
  return fmt::format("the archive {0}; unpack it: tar -xzf {1} -C {2}", archive.string(),
                     quoted(archive), quoted(folder));
}

// What is found at `folder` and below that is not `file` at its place.
std::string describe(const CifarLayout& layout, const fs::path& folder, const std::string& file) {
  fs::path nested, python, archive;
  std::error_code error;
  fs::recursive_directory_iterator at(folder, fs::directory_options::skip_permission_denied, error);
  require<IoError>(!error, "{}: {}: expected a folder that can be read, got: {}", layout.op,
                   folder.string(), error.message());
  int seen = 0;
  for (; at != fs::recursive_directory_iterator() && ++seen < kMostEntries; at.increment(error)) {
    if (error) break;
    if (at.depth() == kLevels) at.disable_recursion_pending();
    const fs::path here = at->path().parent_path();
    if (at->path().filename() == file) nested = here;
    if (is_archive(at->path())) archive = at->path();
    if (at->path().filename() == layout.python_files.front() &&
        std::ranges::all_of(layout.python_files, [&](const std::string& name) {
          std::error_code ignored;
          return fs::is_regular_file(here / name, ignored);
        })) {
      python = here;
    }
  }
  if (!nested.empty()) return fmt::format("it in {0}; give that folder", nested.string());
  if (!python.empty()) {
    return fmt::format("the Python form in {}; convert it: python3 scripts/convert_cifar.py {}",
                       python.string(), quoted(python));
  }
  if (!archive.empty()) return unpack(archive, archive.parent_path());
  return "none";
}

}  // namespace

fs::path find_cifar(const CifarLayout& layout, const fs::path& folder, const std::string& file) {
  require<IoError>(is_there(layout, folder), "{}: {}: expected a folder, found none", layout.op,
                   folder.string());
  std::error_code ignored;
  require<IoError>(
      fs::is_directory(folder, ignored), "{}: {}: expected a folder, found {}", layout.op,
      folder.string(),
      is_archive(folder)
          ? unpack(folder, folder.has_parent_path() ? folder.parent_path() : fs::path(".")) +
                ", and give that folder"
          : "a file");
  for (const fs::path& at : {folder, folder / layout.binary_folder}) {
    if (is_there(layout, at / file)) return at;
  }
  throw IoError(fmt::format("{}: {}: expected {} in it or in {}, found {}", layout.op,
                            folder.string(), file, layout.binary_folder,
                            describe(layout, folder, file)));
}

}  // namespace resgrad::data
