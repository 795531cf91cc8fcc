/* The function of glibc that Debian's libgcc_eh.a needs for unwinding and musl lacks. */
#define _GNU_SOURCE
#include <link.h>
#include <pthread.h>
#include <stdint.h>

/* libgcc_eh.a has only weak references to these, and calls all of them if one is there. Archive members are linked only
 * for strong references, which this array has. */
void *const graceful_exit_threads[] = {
  (void *)pthread_once,         (void *)pthread_mutex_lock,  (void *)pthread_mutex_unlock, (void *)pthread_key_create,
  (void *)pthread_getspecific, (void *)pthread_setspecific,
};

/* As in glibc's <dlfcn.h>. */
struct object {
  unsigned long long flags;
  void *map_start;
  void *map_end;
  struct link_map *link_map;
  void *eh_frame;
  unsigned long long reserved[7];
};

struct search {
  uintptr_t address;
  struct object *object;
};

static int visit(struct dl_phdr_info *info, size_t size, void *data) {
  (void)size;
  struct search *search = data;
  void *eh_frame = 0;
  int is_in = 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *header = &info->dlpi_phdr[i];
    uintptr_t start = info->dlpi_addr + header->p_vaddr;
    if (header->p_type == PT_GNU_EH_FRAME) eh_frame = (void *)start;
    if (header->p_type == PT_LOAD && search->address >= start && search->address - start < header->p_memsz) {
      is_in = 1;
      search->object->map_start = (void *)start;
      search->object->map_end = (void *)(start + header->p_memsz);
    }
  }
  if (!is_in || !eh_frame) return 0;
  search->object->eh_frame = eh_frame;
  return 1;
}

int _dl_find_object(void *address, struct object *object) {
  *object = (struct object){0};
  struct search search = {(uintptr_t)address, object};
  return dl_iterate_phdr(visit, &search) ? 0 : -1;
}
