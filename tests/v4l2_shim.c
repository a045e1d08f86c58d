/* Answers a V4L2 loopback device's output calls for one path, so that the virtual camera can be tested without the
 * kernel module. Loaded with LD_PRELOAD. What is written to the "device" is appended to the file $V4L2_SHIM_FRAMES; the
 * format that was set is written to $V4L2_SHIM_FORMAT as "width height fourcc sizeimage". */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

static const char *DEVICE = "/dev/video7";
static int device_fd = -1;

static int real_open(const char *path, int flags, mode_t mode) {
    static int (*next)(const char *, int, ...) = NULL;
    if (!next) next = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
    return next(path, flags, mode);
}

int open(const char *path, int flags, ...) {
    mode_t mode = 0;
    if (flags & (O_CREAT | O_TMPFILE)) {
        va_list arguments;
        va_start(arguments, flags);
        mode = (mode_t)va_arg(arguments, int);
        va_end(arguments);
    }
    if (strcmp(path, DEVICE) == 0) {
        const char *frames = getenv("V4L2_SHIM_FRAMES");
        if (!frames) { errno = ENOENT; return -1; }
        device_fd = real_open(frames, O_WRONLY | O_CREAT | O_TRUNC, 0644);
        return device_fd;
    }
    return real_open(path, flags, mode);
}

static void note_format(const struct v4l2_pix_format *pix) {
    const char *path = getenv("V4L2_SHIM_FORMAT");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file) return;
    fprintf(file, "%u %u %.4s %u\n", pix->width, pix->height, (const char *)&pix->pixelformat, pix->sizeimage);
    fclose(file);
}

int ioctl(int fd, unsigned long request, ...) {
    va_list arguments;
    va_start(arguments, request);
    void *data = va_arg(arguments, void *);
    va_end(arguments);
    if (fd < 0 || fd != device_fd) {
        static int (*next)(int, unsigned long, ...) = NULL;
        if (!next) next = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
        return next(fd, request, data);
    }
    switch (request) {
    case VIDIOC_QUERYCAP: {
        struct v4l2_capability *capability = data;
        memset(capability, 0, sizeof *capability);
        strcpy((char *)capability->driver, "v4l2 loopback");
        strcpy((char *)capability->card, "Live avatar");
        capability->capabilities = V4L2_CAP_VIDEO_OUTPUT | V4L2_CAP_READWRITE;
        return 0;
    }
    case VIDIOC_G_FMT:
        memset(&((struct v4l2_format *)data)->fmt, 0, sizeof ((struct v4l2_format *)data)->fmt);
        return 0;
    case VIDIOC_S_FMT:
        note_format(&((struct v4l2_format *)data)->fmt.pix);
        return 0;
    case VIDIOC_G_PARM:
    case VIDIOC_S_PARM:
    case VIDIOC_STREAMON:
    case VIDIOC_STREAMOFF:
        return 0;
    default:
        errno = ENOTTY;
        return -1;
    }
}
