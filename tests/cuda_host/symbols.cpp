/* The symbol table of the program: which variables are shared memory, and what kernels are called.
 *
 * `__shared__ float s[8]` in a function compiles as a static variable. No attribute can gather such variables (GCC drops
 * sections in templates), but the ELF file names them: _ZZ, the function, E, the variable. A .cu file has no other
 * static variables without initial value, and the emulator's own sources have none in functions;
 * those of std:: are passed over. */
#include "emulator.h"

#include <cxxabi.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <map>
#include <stdlib.h>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

static bool loaded;
static std::vector<mx_host_range> variables;
static std::map<uintptr_t, std::string> functions; /* mangled names by address */
static std::map<void (*)(), std::string> names;    /* of kernels that were asked for */

/* The file that holds this code and where it was loaded. */
struct module {
    std::string path;
    uintptr_t base;
};

static int find_module(struct dl_phdr_info *info, size_t, void *found) {
    const uintptr_t here = reinterpret_cast<uintptr_t>(&mx_host_running);
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        if (h->p_type != PT_LOAD || here - (info->dlpi_addr + h->p_vaddr) >= h->p_memsz) continue;
        module *m = static_cast<module *>(found);
        m->path = info->dlpi_name && *info->dlpi_name ? info->dlpi_name : "/proc/self/exe";
        m->base = info->dlpi_addr;
        return 1;
    }
    return 0;
}

/* Symbols of templates and inline functions are weak or unique; ASan leaves their variables without red zones. */
static void refuse_unguarded(const char *name, int binding) {
    if (!MX_HOST_ASAN || binding == STB_LOCAL) return;
    char *text = abi::__cxa_demangle(name, NULL, NULL, NULL);
    mx_host_die("__shared__ variable %s has no red zone: make the function around it static",
                text ? text : name);
}

static void take_symbol(const Elf64_Sym *s, const char *name, bool bss, uintptr_t base) {
    const int type = ELF64_ST_TYPE(s->st_info);
    const uintptr_t address = base + s->st_value;
    if (type == STT_FUNC && s->st_size) functions[address] = name;
    if (type != STT_OBJECT || !bss || !s->st_size || strncmp(name, "_ZZ", 3)) return;
    if (!strncmp(name, "_ZZNSt", 6) || !strncmp(name, "_ZZNKSt", 7) || !strncmp(name, "_ZZSt", 5)) return;
    refuse_unguarded(name, ELF64_ST_BIND(s->st_info));
    variables.push_back(mx_host_range{reinterpret_cast<char *>(address), s->st_size});
}

static void read_file(const char *file, size_t size, uintptr_t base) {
    const Elf64_Ehdr *head = reinterpret_cast<const Elf64_Ehdr *>(file);
    const Elf64_Shdr *section = reinterpret_cast<const Elf64_Shdr *>(file + head->e_shoff);
    if (head->e_shoff + head->e_shnum * sizeof *section > size) return;
    for (int i = 0; i < head->e_shnum; i++) {
        if (section[i].sh_type != SHT_SYMTAB) continue;
        const Elf64_Sym *s = reinterpret_cast<const Elf64_Sym *>(file + section[i].sh_offset);
        const char *strings = file + section[section[i].sh_link].sh_offset;
        for (size_t k = 0; k < section[i].sh_size / sizeof *s; k++) {
            const int at = s[k].st_shndx;
            const bool bss = at > 0 && at < head->e_shnum && section[at].sh_type == SHT_NOBITS;
            take_symbol(s + k, strings + s[k].st_name, bss, base);
        }
    }
}

static void load(void) {
    if (loaded) return;
    loaded = true;
    module m = {};
    dl_iterate_phdr(find_module, &m);
    int f = open(m.path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat s;
    if (f < 0 || fstat(f, &s)) mx_host_die("cannot read the symbols of %s", m.path.c_str());
    void *p = mmap(NULL, static_cast<size_t>(s.st_size), PROT_READ, MAP_PRIVATE, f, 0);
    close(f);
    if (p == MAP_FAILED) mx_host_die("cannot read the symbols of %s", m.path.c_str());
    read_file(static_cast<const char *>(p), static_cast<size_t>(s.st_size), m.base);
    munmap(p, static_cast<size_t>(s.st_size));
    if (functions.empty()) mx_host_die("%s has no symbols: it must not be stripped", m.path.c_str());
}

const mx_host_range *mx_host_static_variables(size_t *n) {
    load();
    *n = variables.size();
    return variables.data();
}

/* "norm<float, 4>" of "void norm<float, 4>(float*, int)". */
static std::string short_name(const std::string &mangled) {
    char *text = abi::__cxa_demangle(mangled.c_str(), NULL, NULL, NULL);
    std::string name = text ? text : mangled;
    free(text);
    if (!name.compare(0, 5, "void ")) name.erase(0, 5);
    const size_t arguments = name.rfind('(');
    return arguments == std::string::npos || !arguments ? name : name.substr(0, arguments);
}

const char *mx_host_symbol(void (*function)()) {
    load();
    std::string &name = names[function];
    auto found = functions.find(reinterpret_cast<uintptr_t>(function));
    if (name.empty()) name = found == functions.end() ? "unknown kernel" : short_name(found->second);
    return name.c_str();
}
