#include "data/folder_cache.h"

#include <fmt/format.h>

#include <chrono>
#include <fstream>
#include <span>
#include <string_view>

#include "core/atomic_file.h"
#include "core/check.h"
#include "core/crc32.h"

namespace resgrad::data {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kStart = "resgrad folder cache 3\n";

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
  std::string start(expected.size(), '\0');
  Sizes sizes;
  std::uint32_t sum = 0, stated = 0;
  const auto read = [&](auto* to, std::uint64_t bytes) {
    in.read(reinterpret_cast<char*>(to), static_cast<std::streamsize>(bytes));
    if (in) sum = crc32({reinterpret_cast<const std::byte*>(to), bytes}, sum);
  };
  read(start.data(), start.size());
  if (!in || start != expected) return std::nullopt;
  read(&sizes, sizeof sizes);
  if (!in || sizes.image_bytes != static_cast<std::uint64_t>(image_bytes)) return std::nullopt;
  // before memory is taken for what a damaged file may say
  const std::uint64_t frame = start.size() + sizeof sizes + sizeof stated;
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
  const std::uint32_t computed = sum;
  read(&stated, sizeof stated);
  if (!in || stated != computed) return std::nullopt;
  std::vector<std::string> all = parted(texts);
  if (all.size() < sizes.images) return std::nullopt;
  const auto damaged = all.begin() + static_cast<std::ptrdiff_t>(sizes.images);
  folder.damaged.assign(damaged, all.end());
  folder.files.assign(all.begin(), damaged);
  return folder;
}

namespace {

// What writers that were killed left. Others may be at work, also on other machines.
void remove_abandoned(const fs::path& cache) {
  const std::string start = '.' + cache.filename().string() + '.';
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(cache.parent_path(), error)) {
    const auto age = fs::file_time_type::clock::now() - entry.last_write_time(error);
    if (entry.path().filename().string().starts_with(start) && age > std::chrono::hours(24)) {
      fs::remove(entry.path(), error);
    }
  }
}

}  // namespace

std::string write_folder_cache(const fs::path& file, const std::string& key,
                               const DecodedFolder& folder) {
  const std::string texts = joined(folder), start = std::string(kStart) + key;
  const std::uint64_t images = folder.labels.size();
  const Sizes sizes{.images = images,
                    .image_bytes = images == 0 ? 0 : folder.images.size() / images,
                    .text_bytes = texts.size()};
  remove_abandoned(file);
  try {
    AtomicFile out(file);
    std::uint32_t sum = 0;
    for (const std::span<const std::byte> part :
         {std::as_bytes(std::span(start)), std::as_bytes(std::span(&sizes, 1)),
          std::as_bytes(std::span(folder.labels)), std::as_bytes(std::span(folder.images)),
          std::as_bytes(std::span(texts))}) {
      out.write(part);
      sum = crc32(part, sum);
    }
    out.write(std::as_bytes(std::span(&sum, 1)));
    out.commit();
    return "";
  } catch (const IoError& error) {
    return fmt::format("folder: expected a cache that can be written: {}", error.what());
  }
}

}  // namespace resgrad::data
