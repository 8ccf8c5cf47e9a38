#include "data/folder_cache.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string_view>

namespace resgrad::data {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kStart = "resgrad folder cache 2\n";

struct Sizes {
  std::uint64_t images = 0, image_bytes = 0, text_bytes = 0;
};

std::string joined(const DecodedFolder& folder) {
  std::string all;
  for (const auto* texts : {&folder.files, &folder.damaged}) {
    for (const std::string& text : *texts) all.append(text).push_back('\0');
  }
  return all;
}

std::vector<std::string> parted(std::string_view all) {
  std::vector<std::string> texts;
  while (!all.empty()) {
    const std::size_t end = all.find('\0');
    if (end == std::string_view::npos) break;
    texts.emplace_back(all.substr(0, end));
    all.remove_prefix(end + 1);
  }
  return texts;
}

}  // namespace

std::optional<DecodedFolder> read_folder_cache(const fs::path& file, const std::string& key,
                                               std::int64_t image_bytes) {
  std::error_code error;
  const std::uintmax_t size = fs::file_size(file, error);
  std::ifstream in(file, std::ios::binary);
  if (error || !in) return std::nullopt;
  const std::string expected = std::string(kStart) + key;
  std::string start(expected.size(), '\0'), end(key.size(), '\0');
  Sizes sizes;
  const auto read = [&in](auto* to, std::uint64_t bytes) {
    in.read(reinterpret_cast<char*>(to), static_cast<std::streamsize>(bytes));
  };
  read(start.data(), start.size());
  if (!in || start != expected) return std::nullopt;
  read(&sizes, sizeof sizes);
  if (!in || sizes.image_bytes != static_cast<std::uint64_t>(image_bytes)) return std::nullopt;
  // before memory is taken for what a damaged file may say
  const std::uint64_t frame = start.size() + sizeof sizes + end.size();
  const std::uint64_t rest = size < frame ? 0 : size - frame;
  if (sizes.text_bytes > rest || (rest - sizes.text_bytes) % (1 + sizes.image_bytes) != 0 ||
      (rest - sizes.text_bytes) / (1 + sizes.image_bytes) != sizes.images) {
    return std::nullopt;
  }
  DecodedFolder folder;
  folder.labels.resize(sizes.images);
  folder.images.resize(sizes.images * sizes.image_bytes);
  std::string texts(sizes.text_bytes, '\0');
  read(folder.labels.data(), folder.labels.size());
  read(folder.images.data(), folder.images.size());
  read(texts.data(), texts.size());
  read(end.data(), end.size());
  if (!in || end != key) return std::nullopt;
  std::vector<std::string> all = parted(texts);
  if (all.size() < sizes.images) return std::nullopt;
  const auto damaged = all.begin() + static_cast<std::ptrdiff_t>(sizes.images);
  folder.damaged.assign(damaged, all.end());
  folder.files.assign(all.begin(), damaged);
  return folder;
}

std::string write_folder_cache(const fs::path& file, const std::string& key,
                               const DecodedFolder& folder) {
  const fs::path unfinished = file.string() + fmt::format(".{}.part", getpid());
  const std::string texts = joined(folder);
  const std::uint64_t images = folder.labels.size();
  const Sizes sizes{.images = images,
                    .image_bytes = images == 0 ? 0 : folder.images.size() / images,
                    .text_bytes = texts.size()};
  std::ofstream out(unfinished, std::ios::binary);
  const auto write = [&out](const auto* from, std::uint64_t bytes) {
    out.write(reinterpret_cast<const char*>(from), static_cast<std::streamsize>(bytes));
  };
  write(kStart.data(), kStart.size());
  write(key.data(), key.size());
  write(&sizes, sizeof sizes);
  write(folder.labels.data(), folder.labels.size());
  write(folder.images.data(), folder.images.size());
  write(texts.data(), texts.size());
  write(key.data(), key.size());
  out.close();
  std::error_code error;
  if (!out) {
    error = std::error_code(errno, std::generic_category());
  } else {
    fs::rename(unfinished, file, error);
  }
  if (!error) return "";
  std::error_code ignored;
  fs::remove(unfinished, ignored);
  return fmt::format("folder: {}: expected a cache that can be written, got: {}", file.string(),
                     error.message());
}

}  // namespace resgrad::data
