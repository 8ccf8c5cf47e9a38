#include "data/folder.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <exception>
#include <utility>

#include "core/check.h"
#include "core/parallel.h"
#include "core/text.h"
#include "data/folder_cache.h"
#include "data/image.h"
#include "data/md5.h"
#include "data/resize.h"

namespace resgrad::data {
namespace {

namespace fs = std::filesystem;

constexpr int kLargestSize = 4096;
constexpr std::size_t kMostClasses = 256;  // a label is a byte

struct File {
  fs::path path;
  std::uint8_t label;
};

struct Listing {
  std::vector<File> images;
  std::vector<std::string> others;  // which are not read
};

bool is_hidden(const fs::path& path) {
  return path.filename().string().starts_with('.');
}

bool has_name_of_image(const fs::path& path) {
  std::string ending = path.extension().string();
  std::ranges::transform(ending, ending.begin(), [](unsigned char c) { return std::tolower(c); });
  return ending == ".png" || ending == ".jpg" || ending == ".jpeg";
}

// What is in a folder, sorted by name. Throws IoError for one that cannot be read.
std::vector<fs::path> contents(const fs::path& folder) {
  std::vector<fs::path> paths;
  std::error_code error;
  fs::directory_iterator at(folder, error);
  for (; !error && at != fs::directory_iterator(); at.increment(error)) {
    if (!is_hidden(at->path())) paths.push_back(at->path());
  }
  require<IoError>(!error, "folder: {}: expected a folder that can be read, got: {}",
                   folder.string(), error.message());
  std::ranges::sort(paths);
  return paths;
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

bool is_one_of(const std::vector<fs::path>& folders, const fs::path& path) {
  std::error_code ignored;
  return std::ranges::any_of(
      folders, [&](const fs::path& folder) { return fs::equivalent(folder, path, ignored); });
}

// `above`: the folders around it. A link to one of them would go round in circles.
void list(const fs::path& folder, std::uint8_t label, Listing& listing,
          std::vector<fs::path> above = {}) {
  above.push_back(folder);
  for (const fs::path& path : contents(folder)) {
    if (is_folder(path)) {
      if (!is_one_of(above, path)) list(path, label, listing, above);
    } else if (has_name_of_image(path)) {
      listing.images.push_back({path, label});
    } else {
      listing.others.push_back(path.string());
    }
  }
}

Listing list_classes(const fs::path& part, const std::vector<std::string>& classes,
                     bool all_have_images) {
  Listing listing;
  for (const fs::path& path : contents(part)) {
    if (!is_folder(path)) {
      listing.others.push_back(path.string());
      continue;
    }
    const std::string name = path.filename().string();
    const auto found = std::ranges::find(classes, name);
    require<IoError>(found != classes.end(), "folder: {}: expected one of the classes {}, got {}",
                     part.string(), fmt::join(classes, ", "), name);
    const std::size_t before = listing.images.size();
    list(path, static_cast<std::uint8_t>(found - classes.begin()), listing);
    require<IoError>(!all_have_images || listing.images.size() > before,
                     "folder: {}: expected at least one .png, .jpg or .jpeg file, found none",
                     path.string());
  }
  require<IoError>(!listing.images.empty(),
                   "folder: {}: expected .png, .jpg or .jpeg files in a folder for each class, "
                   "found none",
                   part.string());
  return listing;
}

// Each class spread evenly over all images, of which classes came one after the other: the first
// images, as short evaluations see them, have all classes with their shares.
void mix_classes(std::vector<File>& files) {
  std::array<double, kMostClasses> of_class{}, before{};
  for (const File& file : files) ++of_class[file.label];
  std::vector<std::pair<double, File>> placed;
  for (File& file : files) {
    const double place = (before[file.label]++ + 0.5) / of_class[file.label];
    placed.emplace_back(place, std::move(file));
  }
  std::ranges::stable_sort(placed, {}, &std::pair<double, File>::first);
  std::ranges::transform(placed, files.begin(), [](auto& p) { return std::move(p.second); });
}

// Differs whenever the decoded images may differ.
std::string key_of(const Listing& listing, const FolderOptions& options) {
  std::string text = fmt::format("{} {}\n", options.image_size, options.exif_transpose);
  for (const File& file : listing.images) {
    std::error_code ignored;  // a file that is gone is damaged, and named as such
    text += fmt::format("{} {} {} {}\n", file.label, fs::file_size(file.path, ignored),
                        fs::last_write_time(file.path, ignored).time_since_epoch().count(),
                        fs::absolute(file.path).string());
  }
  return md5(std::as_bytes(std::span(text)));
}

void write_planes(const Image& image, std::uint8_t* to) {
  const std::size_t pixels = image.pixels.size() / 3;
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t i = 0; i < pixels; ++i) *to++ = image.pixels[3 * i + c];
  }
}

// Writes the pixels of a file, or says what is wrong with it. `read` tells whether its bytes were
// read: what they are does not change, but that they cannot be read may.
std::string decode_file(const fs::path& file, const FolderOptions& options, std::uint8_t* to,
                        bool& read) {
  read = false;
  try {
    const std::vector<std::byte> bytes = read_image_bytes(file);
    read = true;
    const Image image =
        decode_image(bytes, file.string(), {.exif_transpose = options.exif_transpose});
    write_planes(centre_crop(resize_shorter_side(image, options.image_size), options.image_size),
                 to);
  } catch (const IoError& error) {
    return error.what();
  } catch (const ValueError& error) {  // so wide that it cannot be resized
    return fmt::format("image: {}: {}", file.string(), error.what());
  }
  return "";
}

DecodedFolder decode(const fs::path& part, const std::vector<File>& files,
                     const FolderOptions& options) {
  const int size = options.image_size;
  const std::size_t bytes = std::size_t{3} * static_cast<std::size_t>(size * size);
  DecodedFolder decoded;
  decoded.images.resize(files.size() * bytes);
  std::vector<std::string> errors(files.size());
  bool all_read = true;
  std::exception_ptr failure;  // nothing may leave a parallel loop
#pragma omp parallel for schedule(dynamic) num_threads(num_threads()) reduction(&& : all_read)
  for (std::size_t i = 0; i < files.size(); ++i) {
    try {
      bool read = false;
      errors[i] = decode_file(files[i].path, options, decoded.images.data() + i * bytes, read);
      all_read = all_read && read;
    } catch (...) {
#pragma omp critical
      failure = std::current_exception();
    }
  }
  decoded.all_read = all_read;
  if (failure) std::rethrow_exception(failure);
  // closes the gaps of damaged images
  auto to = decoded.images.begin();
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (!errors[i].empty()) {
      decoded.damaged.push_back(errors[i]);
      continue;
    }
    const auto from = decoded.images.begin() + static_cast<std::ptrdiff_t>(i * bytes);
    if (to != from) std::copy_n(from, bytes, to);
    to += static_cast<std::ptrdiff_t>(bytes);
    decoded.labels.push_back(files[i].label);
    decoded.files.push_back(files[i].path.lexically_relative(part).generic_string());
  }
  decoded.images.erase(to, decoded.images.end());
  return decoded;
}

}  // namespace

std::vector<std::string> folder_classes(const fs::path& part) {
  std::vector<std::string> classes;
  for (const fs::path& path : contents(part)) {
    if (is_folder(path)) classes.push_back(path.filename().string());
  }
  return classes;
}

Dataset load_folder(const fs::path& part, const FolderOptions& options) {
  require<ValueError>(options.image_size >= 1 && options.image_size <= kLargestSize,
                      "folder: image_size: expected 1 to {} pixels, got {}", kLargestSize,
                      options.image_size);
  Dataset dataset{.name = "folder",
                  .images = {},
                  .labels = {},
                  .height = options.image_size,
                  .width = options.image_size,
                  .class_names = options.classes.empty() ? folder_classes(part) : options.classes};
  const std::size_t classes = dataset.class_names.size();
  require<ValueError>(classes >= 1 && classes <= kMostClasses,
                      "folder: {}: expected 1 to {} folders, one for each class, found {}",
                      part.string(), kMostClasses, classes);
  dataset.num_classes = static_cast<int>(classes);
  Listing listing = list_classes(part, dataset.class_names, options.classes.empty());
  mix_classes(listing.images);
  const std::string key = key_of(listing, options);
  const fs::path whole = fs::absolute(part / "").parent_path();
  const fs::path cache =
      (options.cache_folder.empty() ? whole.parent_path() : options.cache_folder) /
      fmt::format(".resgrad-{}-{}.cache", whole.filename().string(), options.image_size);
  std::optional<DecodedFolder> decoded = read_folder_cache(cache, key, dataset.image_bytes());
  if (!decoded) {
    decoded = decode(part, listing.images, options);
    const std::string error = options.write_cache && decoded->all_read
                                  ? write_folder_cache(cache, key, *decoded)
                                  : std::string();
    if (!error.empty()) dataset.warnings.push_back(error);
  }
  const std::vector<std::string>& damaged = decoded->damaged;
  require<IoError>(damaged.empty() || options.skip_damaged,
                   "folder: {}: expected images without damage, got {} of {} with:\n{}",
                   part.string(), damaged.size(), listing.images.size(), fmt::join(damaged, "\n"));
  require<IoError>(!decoded->labels.empty(),
                   "folder: {}: expected an image that is not damaged, "
                   "got {} that are: {}",
                   part.string(), damaged.size(), some_of(damaged, "; "));
  if (!damaged.empty()) {
    dataset.warnings.push_back(fmt::format("folder: {}: left out {} damaged images of {}: {}",
                                           part.string(), damaged.size(), listing.images.size(),
                                           some_of(damaged, "; ")));
  }
  if (!listing.others.empty()) {
    dataset.warnings.push_back(
        fmt::format("folder: {}: left out {} files that are no .png, .jpg or .jpeg in the folder "
                    "of a class: {}",
                    part.string(), listing.others.size(), some_of(listing.others, "; ")));
  }
  dataset.images = std::move(decoded->images);
  dataset.labels = std::move(decoded->labels);
  dataset.files = std::move(decoded->files);
  return dataset;
}

}  // namespace resgrad::data
