/* ctrl.exe PID EVENT: a console control event for a Windows process, as the system itself delivers it.
 *
 * 0 = Ctrl-C, 1 = Ctrl-Break, 2 = close, 5 = log-off, 6 = shutdown. Runs kernelbase!CtrlRoutine in the process, on a
 * thread of its own: GenerateConsoleCtrlEvent knows only the first two, and wine 8 delivers none. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <windows.h>

int main(int count, char **arguments) {
  if (count != 3) {
    fputs("usage: ctrl.exe PID EVENT\n", stderr);
    return 2;
  }
  DWORD id = strtoul(arguments[1], NULL, 10);
  void *event = (void *)(intptr_t)atoi(arguments[2]);
  FARPROC routine = GetProcAddress(GetModuleHandleA("kernelbase.dll"), "CtrlRoutine");
  HANDLE process = OpenProcess(PROCESS_ALL_ACCESS, FALSE, id);
  if (!routine || !process) {
    fprintf(stderr, "process %lu: %s, error %lu\n", id, routine ? "cannot be opened" : "no CtrlRoutine", GetLastError());
    return 1;
  }
  HANDLE thread = CreateRemoteThread(process, NULL, 0, (LPTHREAD_START_ROUTINE)routine, event, 0, NULL);
  if (!thread) {
    fprintf(stderr, "process %lu: no thread, error %lu\n", id, GetLastError());
    return 1;
  }
  return 0;
}
