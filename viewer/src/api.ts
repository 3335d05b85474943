/** What the server is asked. It takes a query by its place in a board; no SQL leaves this page. */

import type { Board, Listed, Values } from './model';

export interface Column {
  name: string;
  type: string;
  values: unknown[];
}

export interface Asked {
  board: string;
  panel?: number;
  variable?: string;
  refId?: string;
  variables: Values;
  from: number;
  to: number;
  interval: number;
}

export const boards = () => told<Listed[]>('/api/boards');

export const board = (uid: string) => told<Board>(`/api/boards/${encodeURIComponent(uid)}`);

export async function query(asked: Asked, signal?: AbortSignal): Promise<Column[]> {
  const answer = await told<{ columns: Column[] }>('/api/query', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(asked),
    signal,
  });
  return answer.columns;
}

async function told<T>(path: string, request?: RequestInit): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, request);
  } catch (error) {
    if (error instanceof DOMException) {
      throw error;
    }
    throw new Error('`tailrace boards` does not answer any more: start it again');
  }
  const answer = await response.json();
  if (!response.ok) {
    throw new Error(answer.error ?? response.statusText);
  }
  return answer;
}
