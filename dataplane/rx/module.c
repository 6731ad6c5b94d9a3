/* module - finds the file, looks whose it is, and loads it. */
#include "dataplane/rx/module.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/base/compiler.h"

static const char *const below[] = { "", "rx/" };

int module_place_here(struct module_place *ret)
{
	struct stat s;
	ssize_t n = readlink("/proc/self/exe", ret->folder, sizeof(ret->folder) - 1);
	char *slash;

	if (n < 0 || stat("/proc/self/exe", &s) < 0)
		return -errno;
	ret->folder[n] = 0;
	slash = strrchr(ret->folder, '/');
	if (slash == NULL)
		return -ENOENT;
	*slash = 0;
	ret->owner = s.st_uid;
	return 0;
}

static int find(const struct module_place *place, const char *name, char ret[PATH_MAX],
		struct stat *ret_stat)
{
	for (size_t i = 0; i < array_count(below); i++) {
		int n = snprintf(ret, PATH_MAX, "%s/%sweir-rx-%s.so", place->folder, below[i],
				 name);

		if (n > 0 && n < PATH_MAX && stat(ret, ret_stat) == 0)
			return 0;
	}
	return -ENOENT;
}

static bool is_safe(const struct module_place *place, const struct stat *s)
{
	return S_ISREG(s->st_mode) && (s->st_uid == 0 || s->st_uid == place->owner) &&
	       (s->st_mode & S_IWOTH) == 0;
}

/* symbol - rx_<name><suffix> of the module. */
static const void *symbol(void *module, const char *name, const char *suffix)
{
	char text[64];

	snprintf(text, sizeof(text), "rx_%s%s", name, suffix);
	return dlsym(module, text);
}

static int load(const char *path, const char *name, const char *needs,
		const struct rx_backend **ret, struct rx_error *err)
{
	static const uint64_t own[MODULE_LAYOUT_WORDS] = MODULE_LAYOUT;
	void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	const uint64_t *layout;

	if (module == NULL) {
		snprintf(err->text, sizeof(err->text),
			 "%s: its module cannot be loaded: %.300s: install %s as it was when weir "
			 "was built, or build weir again",
			 name, dlerror(), needs);
		return -ENOEXEC;
	}
	layout = symbol(module, name, "_layout");
	*ret = symbol(module, name, "");
	if (layout != NULL && memcmp(layout, own, sizeof(own)) == 0 && *ret != NULL)
		return 0;
	dlclose(module);
	snprintf(err->text, sizeof(err->text),
		 "%s: %.200s is of another build of weir: install both from the same", name, path);
	return -ENOEXEC;
}

int module_load(const struct module_place *place, const char *name, const char *needs,
		const struct rx_backend **ret, struct rx_error *err)
{
	char path[PATH_MAX];
	struct stat s;

	if (find(place, name, path, &s) < 0) {
		snprintf(err->text, sizeof(err->text),
			 "%s: its module weir-rx-%s.so is not in %.200s: it is made when weir is "
			 "built where %s is installed, and belongs there",
			 name, name, place->folder, needs);
		return -ENOENT;
	}
	if (!is_safe(place, &s)) {
		snprintf(err->text, sizeof(err->text),
			 "%s: %.200s could have been written by others and is not loaded: give it "
			 "to root with \"chown root\" and \"chmod 755\"",
			 name, path);
		return -EPERM;
	}
	return load(path, name, needs, ret, err);
}
